"""feeds/formats."""
