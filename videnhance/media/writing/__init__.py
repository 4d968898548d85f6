"""Codecs, encoding of segments, muxing them into the output, and PNG pictures."""
