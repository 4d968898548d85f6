"""A quick look before the long run, and how long that would take."""
