"""Every liquidation that Hyperliquid published of February to May 2023: accounts rebuilt from fills and deposits.

The rows hold a notional at the mark and an account value; position and price of the takeover come from the fills. Fees
and funding are not in the files, so balances rebuilt from deposits and fills are near the published ones, not on them.
The three isolated rows publish the value of the whole account, not of the position.
"""

import pandas as pd
import pytest
from engine_data import account, balance, frame, run, user_coin

import feeds
import venues
from backtest import Strategy

RATE = 0.01  # half of the initial rate at 50x, the maximum of then
ROWS, CROSS = 36, 33


def read(folder, name):
    rows = pd.read_csv(folder / "accounts" / f"hyperliquid_2023_{name}.csv.gz")
    rows["time"] = pd.to_datetime(rows["time"])
    return rows


def signed(rows):
    return rows["sz"].where(rows["side"] == "Bid", -rows["sz"])


@pytest.fixture(scope="module")
def files(real_data):
    """Published liquidations, fills and deposits."""
    return tuple(read(real_data, name) for name in ("liquidations", "trades", "ledger_updates"))


class Moment:
    """One liquidation: what was held before it, what it closed, what was published."""

    def __init__(self, row, fills, deposits):
        mine = fills[fills["user"] == row.user]
        self.row = row
        self.before = mine[mine["time"] < row.time]
        at = mine[(mine["time"] >= row.time) & (mine["time"] <= row.time + pd.Timedelta("2s"))]
        held = signed(self.before).groupby(self.before["coin"]).sum().round(6)
        self.held = held[held != 0].to_dict()
        self.closed = (-signed(at)).groupby(at["coin"]).sum().round(6).to_dict()
        self.prices = at.groupby("coin")["px"].first().to_dict()
        paid = -(signed(self.before) * self.before["px"]).sum()
        known = deposits[(deposits["user"] == row.user) & (deposits["time"] <= row.time)]
        self.deposited = known["delta_usd"].sum()
        self.cash = self.deposited + paid
        self.share = row.liquidated_account_value / row.liquidated_ntl_pos

    def marks(self):
        """Marks at the moment: notional / size of one coin; of several, what a loss of one share of each leads to."""
        if len(self.held) == 1:
            ((coin, quantity),) = self.held.items()
            return {coin: self.row.liquidated_ntl_pos / abs(quantity)}
        return {
            coin: price / (1 - self.share * (1 if self.held[coin] > 0 else -1)) for coin, price in self.prices.items()
        }

    def account(self):
        """Return the account of the published value, under the rules of the day."""
        marks = {symbol(coin): mark for coin, mark in self.marks().items()}
        positions = [
            venues.Position(symbol(coin), quantity=quantity, entry_price=marks[symbol(coin)], leverage=50)
            for coin, quantity in self.held.items()
        ]
        rules = rules_of(self.held, self.row.time)
        balances = {"USDC": self.row.liquidated_account_value}
        return venues.Account(rules, balances=balances, positions=positions), marks


def symbol(coin):
    return f"{coin}/USDC:USDC"


def rules_of(coins, time):
    rules = venues.get("hyperliquid", as_of=time.isoformat())
    for coin in coins:
        tier = venues.Tier(floor=0, maintenance_rate=RATE, max_leverage=0.5 / RATE)
        rules = rules.with_instrument(
            venues.Instrument(symbol(coin), contract="linear", tiers=[tier], lot_size=1e-5, tick_size=1e-6)
        )
    return rules


@pytest.fixture(scope="module")
def moments(files):
    liquidations, fills, deposits = files
    found = [Moment(row, fills, deposits) for row in liquidations.itertuples()]
    assert len(found) == ROWS
    return found


@pytest.fixture(scope="module")
def cross(moments):
    found = [moment for moment in moments if moment.row.leverage_type == "Cross"]
    assert len(found) == CROSS
    return found


def test_whole_positions_were_closed_all_of_them_in_cross(moments):
    for moment in moments:
        assert moment.closed
        assert all(moment.held[coin] == pytest.approx(quantity) for coin, quantity in moment.closed.items())
        if moment.row.leverage_type == "Cross":
            assert set(moment.closed) == set(moment.held)


def test_notionals_rebuilt_from_fills_are_the_published_ones(cross):
    """Of several coins the marks follow from one share of loss for all: their sum is the published notional."""
    for moment in cross:
        value = sum(abs(moment.held[coin]) * mark for coin, mark in moment.marks().items())
        assert value == pytest.approx(moment.row.liquidated_ntl_pos, rel=2e-5)


def test_every_account_was_below_its_requirement(cross):
    """One per cent of the notional; the nearest missed it by less than two in ten thousand of that."""
    ratios = []
    for moment in cross:
        account_, marks = moment.account()
        risk = account_.risk(marks=marks)
        assert risk.equity == pytest.approx(moment.row.liquidated_account_value)
        ratios.append(risk.margin_ratio)
    assert min(ratios) > 1
    # the venue looks every few seconds: most were caught within a tenth of the requirement
    assert sum(ratio < 1.1 for ratio in ratios) >= 20


def test_they_were_taken_over_at_the_prices_that_our_rules_give(cross):
    """To the six digits of the published prices."""
    for moment in cross:
        account_, marks = moment.account()
        for coin, quantity in moment.held.items():
            steps = account_.rules.liquidation_steps(account=account_, symbol=symbol(coin), marks=marks)
            assert [step.kind for step in steps] == ["cancel_orders", "takeover"]
            assert steps[1].quantity == pytest.approx(abs(quantity))
            assert steps[1].price == pytest.approx(moment.prices[coin], rel=2e-5)


def test_balances_rebuilt_from_deposits_and_fills_are_near_the_published_values(cross):
    """Without fees and funding: within one per cent of the notional for 20 of 27 with deposits, half a mille for 13."""
    apart = []
    for moment in cross:
        if moment.deposited <= 0:
            continue
        equity = moment.cash + sum(moment.held[coin] * mark for coin, mark in moment.marks().items())
        apart.append(abs(equity - moment.row.liquidated_account_value) / moment.row.liquidated_ntl_pos)
    assert len(apart) == 27
    assert (sum(gap < 0.01 for gap in apart), sum(gap < 0.0005 for gap in apart)) == (20, 13)


class Copier(Strategy):
    """Does what an account did: at each of its fills' trades an order of that size, filled at that trade."""

    def __init__(self, fills, deposits):
        super().__init__()
        self.fills, self.deposits = fills, deposits

    def on_start(self):
        self.left = list(self.fills)
        for number, (time, _) in enumerate(self.deposits):
            self.once(time - self.now, name=str(number))

    def on_timer(self, timer):
        amount = self.deposits[int(timer.name)][1]
        (self.deposit if amount > 0 else self.withdraw)("hyperliquid", "USDC", abs(amount))

    def on_trade(self, event):
        if self.left and self.left[0][:2] == (event.ts, event.symbol):
            _, name, quantity = self.left.pop(0)
            (self.buy if quantity > 0 else self.sell)(name, quantity=abs(quantity))


def copied(moments, deposits):
    """Run one account's own fills through the engine, marked at its fills and at each published moment."""
    last = moments[-1]
    coins = sorted(set(last.before["coin"]))
    # fills of one second follow each other by a millisecond: our instants must keep the order of the file
    stamps = last.before["time"].astype("datetime64[ns, UTC]").astype("int64")
    stamps += last.before.groupby("time").cumcount() * 1_000_000
    liquidated = {(m.row.time, coin) for m in moments for coin in m.closed}
    rows = [
        (ts, coin, price, quantity)
        for ts, coin, price, quantity, time in zip(
            stamps, last.before["coin"], last.before["px"], signed(last.before), last.before["time"], strict=True
        )
        if (time, coin) not in liquidated
    ]
    data = None
    for coin in coins:
        own = [
            (ts, price, abs(quantity), 1 if quantity > 0 else -1) for ts, name, price, quantity in rows if name == coin
        ]
        marks = [(ts - 1, price) for ts, price, _, _ in own]
        marks += [(m.row.time.value, m.marks()[coin]) for m in moments if coin in m.held]
        trades = feeds.from_pandas(
            frame(own, "price quantity side"), kind="trades", venue="hyperliquid", symbol=symbol(coin)
        )
        made = trades + feeds.from_pandas(
            frame(sorted(marks), "price"), kind="mark", venue="hyperliquid", symbol=symbol(coin)
        )
        data = made if data is None else data + made
    rules = venues.get("hyperliquid")
    for coin in coins:
        # the venue had a mark of its own when it accepted an order at 50x: a little more is allowed here
        rules = user_coin(symbol(coin), rules=rules, rate=RATE, max_leverage=60, clearance_fee=None,
                          tick_size=1e-6, lot_size=1e-5)  # fmt: skip
    known = deposits[(deposits["user"] == last.row.user) & (deposits["time"] <= last.row.time)]
    paid = [(time.value, amount) for time, amount in zip(known["time"], known["delta_usd"], strict=True)]
    first = min(row[0] for row in rows) - 1
    start = sum(amount for time, amount in paid if time < first)
    owner = account(rules, {"USDC": start}, leverage=60, fills="same_trade")
    script = Copier(
        [(ts, symbol(coin), quantity) for ts, coin, _, quantity in rows], [row for row in paid if row[0] >= first]
    )
    return run(data, script, owner, on_gap="warn", on_ruin="continue", limits=False)


@pytest.mark.parametrize("user", ["0xc128", "0xb8d4", "0x9c3e", "0x2390", "0x97b3"])
def test_an_account_that_is_run_again_is_taken_over_at_its_price(moments, files, user):
    """Those whose deposits and fills alone give the published value: their own orders lead to the same end."""
    mine = [moment for moment in moments if moment.row.user.startswith(user)]
    result = copied(mine, files[2])
    ours = result.liquidations
    assert len(ours) == sum(len(moment.closed) for moment in mine)
    expected = [price for moment in mine for price in moment.prices.values()]
    assert ours["price"].tolist() == pytest.approx(expected, rel=3e-4)
    assert set(ours["what"]) == {"takeover"}
    assert ours["time"].tolist() == [moment.row.time for moment in mine for _ in moment.closed]
    assert balance(result, "USDC", name="hyperliquid") == 0
