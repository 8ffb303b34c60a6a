"""Money is conserved in whole atoms after every event: nothing is made, nothing is lost, whatever happens.

Multi-assets mode with its auto-exchange is not in the reference model; it is covered here, and by hand in
test_multi_assets.py.
"""

from collections import defaultdict

import both_sides
import engine_random
import pandas as pd
import pytest
from generators import MARGINED, WORLDS, slide, storm

import feeds
from backtest import Strategy
from backtest.assembly import Assembly
from backtest.tables import FORCED, LEDGER_KINDS, TRANSFER_STATUS

IN_OR_OUT = {LEDGER_KINDS.index("deposit"), LEDGER_KINDS.index("withdrawal")}
REACHED = {
    "trade_profit", "fee", "funding", "spot_trade", "deposit", "withdrawal", "transfer", "conversion", "insurance",
    "adl", "settlement",
}  # fmt: skip


class Auditor(Strategy):
    """Counts the money of all accounts after every event."""

    def __init__(self):
        super().__init__()
        self.made = None
        self.looks = self.seen = 0
        self.paid_in = defaultdict(int)

    def count(self, event):
        """What all but the outside hold is what was paid in less what was taken out."""
        ledger = self.made.exchange.ledger
        rows = ledger.postings.table()[self.seen :] if ledger.postings.rows > self.seen else []
        self.seen += len(rows)
        for row in rows:
            if row["kind"] in IN_OR_OUT:
                self.paid_in[int(row["asset"])] += int(row["amount"])
        for asset in range(len(self.made.assets)):
            held = [ledger.balance_of(n, asset) for n in range(ledger.n_accounts) if n != ledger.outside]
            assert sum(held) == self.paid_in[asset]
            assert ledger.balance_of(ledger.in_transit, asset) >= 0
        self.looks += 1

    on_trade = on_mark = on_index = on_funding = on_order = on_fill = on_funding_payment = count
    on_liquidated = on_adl = on_settlement = on_transfer = count


def delisting(seconds):
    """Return the end of ether two minutes before the end of the market."""
    at = engine_random.START + (seconds - 120) * engine_random.SECOND
    row = {"ts": at, "until": at, "what": "delisting", "value": 2_950.0, "source": "test"}
    return feeds.from_pandas(
        pd.DataFrame([row]), kind="venue_events", venue=engine_random.USDM, symbol=engine_random.ETHER
    )


def replayed(ledger, assets):
    """Follow every posting, which is finer than every event; return the balances that they lead to."""
    held = defaultdict(int)
    for row in ledger.postings.table():
        account, contra, asset = int(row["account"]), int(row["contra"]), int(row["asset"])
        held[account, asset] += int(row["amount"])
        held[contra, asset] -= int(row["amount"])
        assert held[account, asset] == row["balance"]
        assert (row["kind"] in IN_OR_OUT) == (ledger.outside in (account, contra))
    return {(n, asset): held[n, asset] for n in range(ledger.n_accounts) for asset in range(assets)}


@pytest.mark.parametrize("latency", [None, ("100ms", "700ms", "0s")])
def test_money_is_conserved_after_every_event_of_random_runs(latency):
    """Five accounts: transfers in flight, rebates, all assets together, takeover, deleveraging and a delisting."""
    kinds, forced = set(), set()
    for seed in (51, 52):
        auditor = Auditor()
        data = engine_random.market(seed, 900) + delisting(900)
        strategies = [engine_random.Restless(seed=seed, eagerness=0.1), auditor]
        test = engine_random.prepared(seed, data=data, latency=latency, strategies=strategies)
        made = auditor.made = Assembly(test.data, test.venues, test.settings)
        made.decide()
        made.build(test.strategies)
        made.loop.run()
        auditor.count(None)
        ledger = made.exchange.ledger
        assert auditor.looks > 4_000
        assert replayed(ledger, len(made.assets)) == {
            (n, asset): ledger.balance_of(n, asset)
            for n in range(ledger.n_accounts)
            for asset in range(len(made.assets))
        }
        kinds |= {LEDGER_KINDS[kind] for kind in ledger.postings.table()["kind"]}
        forced |= {FORCED[why] for why in made.exchange.journal.fills.table()["forced"]}
    assert kinds >= REACHED
    assert forced >= {"own", "takeover", "adl", "settlement"}


def test_money_is_conserved_in_storms_and_slides():
    """The worlds of the reference model: other sizes, hedge mode, empty insurance funds."""
    kinds = set()
    scenarios = [storm(61, (world,)) for world in WORLDS] + [slide(9, (world,)) for world in MARGINED]
    for scenario in scenarios:
        made = both_sides.engine(scenario, both_sides.Trader(scenario))
        made.loop.run()
        ledger = made.exchange.ledger
        held = replayed(ledger, len(made.assets))
        for asset in range(len(made.assets)):
            assert sum(amount for (_, of), amount in held.items() if of == asset) == 0
            assert held[ledger.in_transit, asset] == on_the_way(made, asset)
        kinds |= {LEDGER_KINDS[kind] for kind in ledger.postings.table()["kind"]}
    assert kinds >= {"liquidation_fee", "unfunded_loss", "transfer", "insurance"}


def on_the_way(made, asset):
    """Return what has been sent and has not arrived."""
    signs = {"sent": 1, "arrived": -1, "refused": 0}
    rows = made.exchange.journal.transfers.table()
    return sum(int(r["received"]) * signs[TRANSFER_STATUS[r["status"]]] for r in rows if r["asset"] == asset)
