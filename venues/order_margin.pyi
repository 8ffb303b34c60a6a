"""Margin that open orders hold, and the settings that change it: leverage and margin mode."""

from venues.wallet import Wallet

class OrderMargin(Wallet):
    """Holds and frees the margin of open orders."""

    ...
