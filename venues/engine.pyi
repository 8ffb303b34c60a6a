"""A venue's margin engine: what a pool must hold, and how far prices may move before that must be looked at again."""

class MarginEngine:
    """Tiered, marginal maintenance at the mark (venues/margin.pxd)."""

    ...
