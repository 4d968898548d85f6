"""The record of a result: what was done, to what, with what, in a file that can be verified."""

SUFFIX = ".json"
"""Added to the whole name of an output: out.mp4 is recorded in out.mp4.json."""
