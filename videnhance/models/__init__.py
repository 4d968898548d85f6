"""Weights of networks: catalogue, store, download, loading; devices; how networks are run."""
