"""Weights of networks: the catalogue, the store, loading, devices, how networks are run."""
