"""Tracked faces cut out, restored and painted back: the way of a frame through a job."""
