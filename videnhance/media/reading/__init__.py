"""Reading: opening a source, decoding its frames, and cleaning them up."""
