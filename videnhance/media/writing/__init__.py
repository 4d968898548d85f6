"""Codecs, encoding segments, joining them into the output, PNG pictures."""
