"""Opening a source, decoding its frames, cleaning them up."""
