"""Portraits: one picture of a face, integrated from all frames of a track that show it alike."""
