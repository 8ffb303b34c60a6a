"""venues/rules."""
