"""A seeded synthetic market: ten days of Binance-like trades, mark, index, premium, funding and a flash crash.

It is made up, free of any licence, and meant for demonstrations and tests only: no figure comes from a real market.
Its constants stand at the top of ``feeds/synthetic/market.py``. From the seed alone, second by second:

- **Index** of a coin: ``I = anchor (1 + x) D``. ``x`` is a random walk weakly pulled to 0 (half-life 2 days). Its
  seconds are Student t shocks with 4 degrees of freedom, its minutes have GARCH(1, 1) volatility (alpha 0.10, beta
  0.88; in the long run 0.076 % a minute for BTC, 1.25 times that for ETH). The shocks of the coins have correlation
  0.8. Anchors: BTC 60,000 USDT, ETH 2,500 USDT.
- **Flash crash** ``D``, from 13:20 UTC of day ``days // 2`` counted from 0 (the sixth of ten): BTC falls by 18 %
  (ETH by 22.5 %) within 20 minutes, along ``u^2 (3 - 2 u)``. 7 % (ETH 8.75 %) are lost for good; of the rest half is
  back after 40 minutes. ``panic`` rises from 0 to 1 with the fall and then halves in 10 minutes; at its height
  volatility is 3 times, activity 15 times and the spread 11 times what it would be.
- **Premium** of a perpetual: ``p' = p + k (mean - p) + shock`` each minute (half-life 6 h; mean 0.07 % for BTC, 0.06 %
  for ETH, 0.04 % for COIN-M), plus 0.003 % of jitter each second, minus 1.2 % x ``panic``. The fair price is
  ``I (1 + p)``: trades, mark and premium points all come from this one ``p``. Premium points come every 10 s; index
  and mark too, and every second for two hours from the crash.
- **Funding** every 8 h, by the venue's published formula from exactly the premium points of ``(T - 8 h, T]`` (weights
  1 to 2880): the row is at T and carries the mark of T. Nothing is settled at the first instant.
- **Mark**: the venue's median of three prices (index moved by the last rate, index + mean basis of 2.5 minutes, last
  trade).
- **Trades**: a self-exciting cluster process (branching ratio 0.6, power-law delays of mean 2 s) whose spontaneous
  trades come in proportion to volatility. Sides lean with the move of the minute and are inherited within a cluster.
  Buys print half a spread above the fair price, sells below it (bounce); sizes have a power-law tail of exponent 4/3.
- **Liquidations**: a trade is a forced order with probability 0.03 % in calm, rising with a move of the last five
  minutes in its own direction beyond 0.5 %, up to one half. Each is both a trade with flag 1 and a row of
  ``liquidations`` with coverage ``full``.
- **Books**, when asked for: snapshots of five levels a side, a millisecond before every second in which something
  trades and each ten seconds, at the prices at which the trades of that second print; in a panic they are thin.
- **Open interest** every 5 minutes (a slow walk, of which the crash closes 30 %), and the **index of ASSET/USD** for
  collateral: ``USDT/USD`` (about 1, each minute) and ``BTC/USD``.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from feeds.errors import FeedError
from feeds.synthetic.market import (
    FUNDING_S,
    LEGS,
    POINT_DECIMALS,
    RATE_DECIMALS,
    Columns,
    Leg,
    Market,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from feeds.dataset import Dataset

START_NS = 1_730_419_200_000_000_000  # 2024-11-01 00:00 UTC: after the tier table of 2024-10-24
DEFAULT_DAYS, MOST_DAYS = 10, 31
DEFAULT_TRADES, MOST_TRADES = 20_000, 1_000_000
DEFAULT_VENUE = "binance_usdm"


def sample(
    *,
    seed: int = 0,
    days: int = DEFAULT_DAYS,
    trades_per_day: int = DEFAULT_TRADES,
    symbols: str | Sequence[str] = (),
    book: bool = False,
) -> "Dataset":
    """Return a synthetic dataset that begins at 2024-11-01 00:00 UTC; the same arguments give the same bytes.

    Parameters
    ----------
    seed : int
        Not negative.
    days : int
        1 to 31 whole days. The flash crash begins at 13:20 UTC of day ``days // 2``, counted from 0.
    trades_per_day : int
        100 to 1,000,000 expected trades of BTC/USDT:USDT; the other instruments have a share of that.
    symbols : str or sequence of str
        ``SYMBOL`` or ``SYMBOL@venue`` of ``feeds.synthetic.LEGS``, or ``"all"``. Default: the two perpetuals of
        binance_usdm, so that one venue is enough for a first run; the inverse perpetual
        (``BTC/USD:BTC@binance_coinm``) and the spot pair (``BTC/USDT@binance_spot``) come on request.
    book : bool
        Also books: snapshots of five levels a side, whose best prices are those at which the trades print. Orders
        then meet them (``fills="auto"``); everything else is the same to the byte.

    Returns
    -------
    Dataset
        Cached: a second call with equal arguments returns the same object.

    Raises
    ------
    FeedError
        For an argument outside what is said above.
    """
    _check_number("seed", seed, 0, 2**63 - 1)
    _check_number("days", days, 1, MOST_DAYS)
    _check_number("trades_per_day", trades_per_day, 100, MOST_TRADES)
    return _dataset(seed, days, trades_per_day, _legs(symbols), bool(book))


@lru_cache(maxsize=8)
def _dataset(seed: int, days: int, trades_per_day: int, legs: tuple[Leg, ...], book: bool) -> "Dataset":
    """Return the dataset of checked arguments."""
    from feeds.dataset import Dataset, Stream

    rows = tables(seed=seed, days=days, trades_per_day=trades_per_day, legs=legs, book=book)
    return Dataset([Stream.from_table(*row) for row in rows if row[3].num_rows])  # few trades: nobody is liquidated


def tables(
    *, seed: int, days: int, trades_per_day: int, legs: Sequence[Leg], book: bool = False
) -> list[tuple[str, str, str, "pa.Table"]]:
    """Return (venue, symbol, kind, canonical table) of each leg and of the collateral prices.

    The collateral's index rows are filed once, under the venue of the first leg.
    """
    market = Market(seed, days=days, start_ns=START_NS)
    found = []
    for leg in legs:
        for kind, columns in market.leg(leg, trades_per_day=trades_per_day, book=book).items():
            decimals = leg.price_decimals if kind in ("trades", "liquidations", "book") else POINT_DECIMALS
            scales = {"price": decimals, "quantity": leg.quantity_decimals, "rate": RATE_DECIMALS}
            found.append((leg.venue, leg.symbol, kind, _table(kind, columns, scales)))
    for symbol, (columns, decimals) in market.collateral().items():
        found.append((legs[0].venue, symbol, "index", _table("index", columns, {"price": decimals})))
    return found


def _table(kind: str, columns: Columns, scales: dict[str, int]) -> "pa.Table":
    """Return the canonical table of a kind: what the market decided, and what is constant."""
    import pyarrow as pa

    from feeds import schema
    from feeds.tables import with_scales

    rows = len(columns["ts"])
    constant: dict[str, Any] = {"ts_avail": 0}
    if kind == "trades":
        constant |= {"id": np.arange(1, rows + 1), "seq": np.arange(rows)}
    elif kind == "book":
        constant |= {"seq": -1, "prev_seq": -1, "is_snapshot": 1}
    elif kind == "funding":
        constant |= {"ts_raw": columns["ts"], "interval_s": FUNDING_S, "kind": schema.SETTLED}
    elif kind == "liquidations":
        constant |= {"status": "FILLED", "coverage": "full"}
    arrow = schema.columns(kind)
    arrays = [_array(columns.get(field.name, constant.get(field.name)), field.type, rows) for field in arrow]
    used = {column.scale for column in schema.layout(kind) if column.scale}
    return with_scales(pa.table(arrays, schema=arrow), {name: scales.get(name, 0) for name in used})


def _array(values: npt.NDArray[Any] | int | str | None, wanted: "pa.DataType", rows: int) -> "pa.Array":
    """Return a column: numbers, one constant for all rows, or null where the market has no such figure.

    Built from buffers: ``pa.array`` and ``pa.scalar`` import pandas, which takes longer than the whole sample.
    """
    import pyarrow as pa

    if values is None:
        return pa.nulls(rows, wanted)
    if isinstance(values, str):
        text = values.encode()
        offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(len(text))
        return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text * rows))
    dense = np.full(rows, values) if isinstance(values, int) else values
    dense = np.ascontiguousarray(dense, dtype=wanted.to_pandas_dtype())
    return pa.Array.from_buffers(wanted, rows, [None, pa.py_buffer(dense)])


def _check_number(name: str, value: int, least: int, most: int) -> None:
    """Raise FeedError unless the value is an int in the range."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise FeedError(f"sample: {name} must be a whole number from {least} to {most}, got {value!r}")


def _legs(symbols: str | Sequence[str]) -> tuple[Leg, ...]:
    """Return the chosen legs in the order of LEGS."""
    names = [symbols] if isinstance(symbols, str) else list(symbols)
    if names == ["all"]:
        return LEGS
    if not names:
        return tuple(leg for leg in LEGS if leg.venue == DEFAULT_VENUE)
    known = {leg.name: leg for leg in LEGS} | {leg.symbol: leg for leg in LEGS}
    for name in names:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise FeedError(
                f"sample: symbol {name!r} is not in the synthetic market{hint} "
                f"(it has {', '.join(leg.name for leg in LEGS)}, or 'all')"
            )
    return tuple(leg for leg in LEGS if leg in [known[name] for name in names])
