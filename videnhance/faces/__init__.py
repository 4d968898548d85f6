"""Faces: detections, shots, tracks, alignment, the track file, and the gate that protects some."""
