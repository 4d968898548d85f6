"""Rendering: tracked faces are cut out of a frame, restored, and painted back."""
