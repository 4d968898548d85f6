"""The finished output compared with its source."""
