"""Everything that touches a media file: reading, writing one segment, joining the result."""
