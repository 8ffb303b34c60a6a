"""What the insurance fund pays, and what it cannot."""

from reference.ledger import UNFUNDED, fund_of


def exhaust(run, venue, asset):
    """Book what a limited fund cannot pay as a loss that nobody bears; returns whether there was any."""
    owed = -run.ledger.balances[fund_of(venue), asset]
    if venue not in run.limited or owed <= 0:
        return False
    run.ledger.post(run.now, fund_of(venue), UNFUNDED, asset, "unfunded_loss", owed)
    return True


def clear(account, asset):
    """Give the rest of a cross wallet to the fund, or let it fill up a debt."""
    account.post(fund_of(account.owner.venue), asset, "insurance", -account.cross(asset))
    exhaust(account.run, account.owner.venue, asset)


def cover_debts(account):
    """Let the fund fill up a wallet below zero that has no position left (binance.md section 5, procedure)."""
    for asset in dict.fromkeys(position.contract.settle for position in account.positions.values()):
        if account.cross(asset) < 0 and not account.pool(asset).is_open:
            clear(account, asset)
