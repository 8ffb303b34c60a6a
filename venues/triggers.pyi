"""Sorted triggers: heaps of prices at which somebody must be looked at, the nearest on top."""
