"""What our functions say of the worked cases of Deribit."""

import venues
from venues.position import ExactPosition

INVERSE = "BTC/USD:BTC"


def rules_of(case):
    """Return the venue on the day of a case, else the latest rules."""
    return venues.get("deribit", as_of=case.get("date"))


def _held(case, mark):
    position = venues.Position(
        case["symbol"], quantity=case["quantity"], entry_price=float(case.get("entry_price", mark))
    )
    account = venues.Account(rules_of(case), positions=[position])
    risk = account.risk(marks={case["symbol"]: mark})
    return {"initial": risk.initial_margin, "maintenance": risk.maintenance_margin}


def _margin(case):
    return _held(case, case["mark"])


def _index(case):
    return rules_of(case).index_price(prices=case["prices"], weights=case["weights"])


def _fee(case):
    return rules_of(case).fee(symbol=case["symbol"], quantity=case["quantity"], price=case["price"])


def _session(case):
    """Profit restarts from the settlement; with what was paid out it is the total from the average entry."""
    position = ExactPosition(kind="inverse", price_scale=2, quantity_scale=0, settle_scale=16)
    position.fill(case["quantity"], case["entry_price"])
    position.pay_out(case["settlement"])
    floating = position.unrealized(case["mark"])
    return {
        "floating": floating,
        "total": floating + float(position.paid_out),
        "entry_price": position.entry_price,
        **_held(case, case["mark"]),
    }


def _funding(case):
    rate = rules_of(case).funding_rate(premium=case["premium"], symbol=INVERSE)
    return {"rate": rate, "paid": rate * case["minutes"] / 480}


FIGURES = {"margin": _margin, "index": _index, "fee": _fee, "session": _session, "funding": _funding}
