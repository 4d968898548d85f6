"""The check of a finished output against its source."""
