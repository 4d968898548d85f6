"""Faces: detection results, shots, tracks, alignment, the track file, the gate."""
