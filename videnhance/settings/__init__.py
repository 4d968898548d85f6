"""Every setting a user can choose: name, default, unit, range, the step it touches."""
