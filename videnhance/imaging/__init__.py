"""Arithmetic on pixels: colour, affines, masks, compositing, flow. No files, no networks."""
