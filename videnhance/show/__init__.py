"""Pictures for people: best moments, before and after, contact sheet, stills."""
