"""Everything that touches a media file: reading, repair, sound, writing and checking."""
