"""One account by itself: its risk at given marks, over the same functions that the engine calls."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field

from venues.checks import Number, choice, did_you_mean, number, suggest_arguments
from venues.contract import ContractBox
from venues.errors import VenueError
from venues.instrument import parse_symbol
from venues.pool import PoolBox, PoolCoin
from venues.rulebook import VenueRules
from venues.tiers import TierBox

Key = str | tuple[str, str]


@suggest_arguments
@dataclass(frozen=True, slots=True)
class Position:
    """One position of an account.

    Parameters
    ----------
    symbol : str
    quantity : float
        Signed, in the instrument's quantity_unit: coins (linear) or contracts (inverse).
    entry_price : float
        Quote currency.
    leverage : float
        Margin leverage set; it changes the initial margin only.
    margin_mode : {"cross", "isolated"}, optional
        None: the account's.
    isolated_wallet : float, optional
        Settle asset; required by isolated margin, refused by cross.
    side : {"long", "short"}, optional
        Required in hedge mode, refused in one-way mode; a short leg's quantity is negative.
    open_buys, open_sells : float
        Notional of open orders that may increase the position, settle asset.
    """

    symbol: str
    _: KW_ONLY
    quantity: float
    entry_price: float
    leverage: float = 1.0
    margin_mode: str | None = None
    isolated_wallet: float | None = None
    side: str | None = None
    open_buys: float = 0.0
    open_sells: float = 0.0

    def __post_init__(self) -> None:
        """Read and check every field."""
        where = f"Position({self.symbol!r})"
        parse_symbol(self.symbol)
        _set(self, "quantity", number(self.quantity, f"{where}: quantity"))
        _set(self, "entry_price", number(self.entry_price, f"{where}: entry_price", above=0.0))
        _set(self, "leverage", number(self.leverage, f"{where}: leverage", low=1.0))
        _set(self, "open_buys", number(self.open_buys, f"{where}: open_buys", low=0.0))
        _set(self, "open_sells", number(self.open_sells, f"{where}: open_sells", low=0.0))
        if self.margin_mode is not None:
            choice(self.margin_mode, f"{where}: margin_mode", ("cross", "isolated"))
        if self.isolated_wallet is not None:
            _set(self, "isolated_wallet", number(self.isolated_wallet, f"{where}: isolated_wallet"))
        if self.side is not None:
            choice(self.side, f"{where}: side", ("long", "short"))
            if (self.quantity > 0.0 and self.side == "short") or (self.quantity < 0.0 and self.side == "long"):
                raise VenueError(f"{where}: a {self.side} leg has a signed quantity, got {self.quantity:g}")

    @property
    def key(self) -> Key:
        """Key in `AccountRisk.positions`: the symbol, in hedge mode (symbol, side)."""
        return self.symbol if self.side is None else (self.symbol, self.side)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRisk:
    """Figures of one position, settle asset; a price is None where there is none.

    initial_margin of an isolated position is its wallet.
    """

    notional: float
    unrealized_pnl: float
    initial_margin: float
    maintenance_margin: float
    liquidation_price: float | None
    bankruptcy_price: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFigures:
    """Figures of what shares one equity, in `unit`; margin_ratio = maintenance / equity, 1 = liquidation."""

    unit: str
    equity: float
    initial_margin: float
    order_margin: float
    maintenance_margin: float
    margin_ratio: float
    available: float
    unrealized_pnl: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRisk:
    """Figures of an account.

    Attributes
    ----------
    asset : str
        Unit of the totals: the one settle asset of the account, else USD.
    equity : float
        Balances (in multi-assets mode after haircuts), isolated wallets and unrealized profit.
    initial_margin, order_margin, maintenance_margin, unrealized_pnl : float
        Sums over all pools; isolated positions count their wallet as initial margin.
    margin_ratio : float
        The largest of the pools: 1 = that pool is liquidated, 0 without a position.
    available : float
        What may back new cross orders.
    positions : mapping of symbol, or (symbol, side) in hedge mode, to PositionRisk
    pools : mapping of settle asset ("" in multi-assets mode), or key of an isolated position, to PoolFigures
    """

    asset: str
    equity: float
    initial_margin: float
    order_margin: float
    maintenance_margin: float
    margin_ratio: float
    available: float
    unrealized_pnl: float
    positions: Mapping[Key, PositionRisk]
    pools: Mapping[Key, PoolFigures]


@suggest_arguments
@dataclass(frozen=True, slots=True)
class Account:
    """An account at one venue, for questions about its margin.

    Parameters
    ----------
    rules : VenueRules
    margin_mode : {"cross", "isolated"}
        Of positions that do not say.
    position_mode : {"one_way", "hedge"}
    collateral : {"single", "multi"}
        "single": each settle asset is a pool of its own. "multi": all assets, after haircuts, are one (cross only).
    balances : mapping of asset to float
        Wallets without the isolated ones.
    positions : sequence of Position

    Raises
    ------
    VenueError
        If modes, sides or wallets contradict each other, or the venue does not list a contract.

    Examples
    --------
    >>> import venues
    >>> account = venues.Account(
    ...     venues.get("binance_usdm", as_of="2024-10-24"),
    ...     balances={"USDT": 10_000},
    ...     positions=[venues.Position("BTC/USDT:USDT", quantity=1.0, entry_price=60_000, leverage=20)],
    ... )
    >>> round(account.risk(marks={"BTC/USDT:USDT": 60_000}).positions["BTC/USDT:USDT"].liquidation_price, 2)
    50201.01
    """

    rules: VenueRules
    _: KW_ONLY
    margin_mode: str = "cross"
    position_mode: str = "one_way"
    collateral: str = "single"
    balances: Mapping[str, float] = field(default_factory=dict)
    positions: Sequence[Position] = ()

    def __post_init__(self) -> None:
        """Read and check every field."""
        if not isinstance(self.rules, VenueRules):
            raise VenueError(f"rules must come from venues.get(...), got {type(self.rules).__name__}")
        choice(self.margin_mode, "margin_mode", ("cross", "isolated"))
        choice(self.position_mode, "position_mode", ("one_way", "hedge"))
        choice(self.collateral, "collateral", ("single", "multi"))
        for name in ("margin_mode", "position_mode"):
            allowed = getattr(self.rules.facts, f"{name}s")
            if getattr(self, name) not in allowed:
                raise VenueError(f"{self.rules.name} has {name} {' or '.join(allowed)} only")
        balances = {asset: number(amount, f"balances[{asset!r}]") for asset, amount in self.balances.items()}
        _set(self, "balances", balances)
        _set(self, "positions", tuple(self.positions))
        seen: set[Key] = set()
        for position in self.positions:
            self._check(position)
            if position.key in seen:
                raise VenueError(f"{position.key!r} is given twice; one position per symbol, in hedge mode per side")
            seen.add(position.key)
        if self.collateral == "multi":
            for asset in balances:
                self.rules.collateral_brackets(asset)

    def _check(self, position: Position) -> None:
        hedge = self.position_mode == "hedge"
        where = f"Position({position.symbol!r})"
        if hedge and position.side is None:
            raise VenueError(f"{where}: hedge mode needs side='long' or side='short'")
        if not hedge and position.side is not None:
            raise VenueError(
                f"{where}: one_way mode has no sides, got side={position.side!r}; set position_mode='hedge'"
            )
        if self.rules.margin().whole_leverage and position.leverage % 1.0:
            raise VenueError(f"{where}: leverage at {self.rules.name} is a whole number, got {position.leverage:g}")
        if self.is_isolated(position):
            if self.collateral == "multi":
                raise VenueError(f"{where}: multi-assets mode is cross only, got isolated margin")
            if position.isolated_wallet is None:
                raise VenueError(f"{where}: isolated margin needs isolated_wallet=")
        elif position.isolated_wallet is not None:
            raise VenueError(f"{where}: cross margin has no isolated_wallet; set margin_mode='isolated'")

    def is_isolated(self, position: Position) -> bool:
        """Return whether a position has a wallet of its own."""
        mode = self.margin_mode if position.margin_mode is None else position.margin_mode
        return mode == "isolated"

    def risk(self, *, marks: Mapping[str, Number], index: Mapping[str, Number] | None = None) -> AccountRisk:
        """Return the account's figures at these marks.

        Parameters
        ----------
        marks : mapping of symbol to float
            Mark price of every position's symbol.
        index : mapping of asset to float, optional
            US dollars per unit of each asset; needed in multi-assets mode and for totals over several assets.

        Raises
        ------
        VenueError
            If a mark or an index price is missing.
        """
        work = Work(self, marks, {} if index is None else index)
        return work.result()


class Work:
    """The pools of one account at given marks; `Account.risk` and the plan of a liquidation read them."""

    def __init__(self, account: Account, marks: Mapping[str, Number], index: Mapping[str, Number]) -> None:
        self.account = account
        self.index = index
        self.marks = {
            p.symbol: number(_price(marks, p.symbol), f"marks[{p.symbol!r}]", above=0.0) for p in account.positions
        }
        self.boxes: dict[str, ContractBox] = {}
        for position in account.positions:
            if position.symbol not in self.boxes:
                self.boxes[position.symbol] = account.rules.box(position.symbol)
        self.is_multi = account.collateral == "multi"
        # pool key -> (unit, box, is isolated); rows: position key -> (pool key, row)
        self.pools: dict[Key, tuple[str, PoolBox, bool]] = {}
        self.rows: dict[Key, tuple[Key, int]] = {}
        self.coins: dict[str, int] = {}  # asset -> row in the pool of all assets where profit is discounted too
        self._open_pools()
        for position in account.positions:
            self._add(position)

    def usd(self, asset: str) -> float:
        """Return US dollars per unit of an asset."""
        if asset not in self.index:
            raise VenueError(f"index has no US dollar price of {asset}; give index={{{asset!r}: ...}}")
        return number(self.index[asset], f"index[{asset!r}]", above=0.0)

    def settle(self, position: Position) -> str:
        """Return the settle asset of a position."""
        return str(self.boxes[position.symbol].instrument.settle)

    def _open_pools(self) -> None:
        account = self.account
        if self.is_multi:
            self.pools[""] = ("USD", self._joint_pool(account), False)
            return
        assets = dict.fromkeys(account.balances)
        assets.update(dict.fromkeys(self.settle(p) for p in account.positions if not account.is_isolated(p)))
        for asset in assets:
            self.pools[asset] = (asset, PoolBox(account.balances.get(asset, 0.0)), False)

    def _joint_pool(self, account: Account) -> PoolBox:
        """Return the pool of all assets, with what is owed."""
        rules = account.rules
        worth = {
            asset: rules.collateral_value(asset=asset, amount=amount, price=self.usd(asset))
            for asset, amount in account.balances.items()
        }
        if not rules.facts.discounts_profit:
            debts = [self._debt(asset, -amount) for asset, amount in account.balances.items() if amount < 0.0]
            margin = sum(initial for initial, _ in debts), sum(maintenance for _, maintenance in debts)
            return PoolBox(float(sum(worth.values())), debts=margin)
        names = dict.fromkeys([*account.balances, *(self.settle(p) for p in account.positions)])
        self.coins = {asset: row for row, asset in enumerate(names)}
        return PoolBox(0.0, coins=[self._coin(asset, account.balances.get(asset, 0.0)) for asset in names])

    def _coin(self, asset: str, balance: float) -> PoolCoin:
        rules = self.account.rules
        tiers = rules.loan_tiers(asset)
        brackets = rules.counted_brackets(asset) if asset in rules.facts.collateral else [(0.0, 0.0)]
        return PoolCoin(balance, self.usd(asset), brackets, TierBox(tiers) if tiers else None)

    def _debt(self, asset: str, owed: float) -> tuple[float, float]:
        """Return initial and maintenance margin of what is owed, US dollars."""
        tiers = self.account.rules.loan_tiers(asset)
        if not tiers:
            return 0.0, 0.0
        box, price = TierBox(tiers), self.usd(asset)
        return owed / box.max_leverage(owed) * price, box.maintenance(owed) * price

    def _add(self, position: Position) -> None:
        settle = self.settle(position)
        key: Key = "" if self.is_multi else settle
        if self.account.is_isolated(position):
            key = position.key
            self.pools[key] = (settle, PoolBox(float(position.isolated_wallet or 0.0), isolated=True), True)
        row = self.pools[key][1].add(
            self.boxes[position.symbol],
            quantity=position.quantity,
            entry_price=position.entry_price,
            mark=self.marks[position.symbol],
            leverage=position.leverage,
            side={None: 0, "long": 1, "short": -1}[position.side],
            conversion=self.usd(settle) if self.is_multi else 1.0,
            bids=position.open_buys,
            asks=position.open_sells,
            coin=self.coins.get(settle, 0) if self.is_multi else 0,
        )
        self.rows[position.key] = (key, row)

    def position(self, key: Key) -> PositionRisk:
        """Return the figures of one position."""
        pool_key, row = self.rows[key]
        _, pool, is_isolated = self.pools[pool_key]
        leg = pool.leg(row)
        return PositionRisk(
            notional=leg.notional,
            unrealized_pnl=leg.unrealized,
            initial_margin=pool.wallet if is_isolated else leg.initial,
            maintenance_margin=leg.maintenance,
            liquidation_price=leg.liquidation_price,
            bankruptcy_price=leg.bankruptcy_price,
        )

    def figures(self, key: Key) -> PoolFigures:
        """Return the figures of one pool."""
        unit, pool, is_isolated = self.pools[key]
        risk = pool.risk()
        return PoolFigures(
            unit=unit,
            equity=risk.equity,
            initial_margin=pool.wallet if is_isolated else risk.initial,
            order_margin=risk.orders,
            maintenance_margin=risk.maintenance,
            margin_ratio=margin_ratio(risk.maintenance, risk.equity),
            available=0.0 if is_isolated else max(0.0, risk.equity - risk.initial - risk.orders),
            unrealized_pnl=risk.unrealized,
        )

    def result(self) -> AccountRisk:
        """Return the figures of the account."""
        pools = {key: self.figures(key) for key in self.pools}
        units = sorted({pool.unit for pool in pools.values()})
        asset = units[0] if len(units) == 1 else "USD"

        def total(name: str) -> float:
            worth = {unit: 1.0 if unit == asset else self.usd(unit) for unit in units}
            return float(sum(getattr(pool, name) * worth[pool.unit] for pool in pools.values()))

        return AccountRisk(
            asset=asset,
            equity=total("equity"),
            initial_margin=total("initial_margin"),
            order_margin=total("order_margin"),
            maintenance_margin=total("maintenance_margin"),
            margin_ratio=max((pool.margin_ratio for pool in pools.values()), default=0.0),
            available=total("available"),
            unrealized_pnl=total("unrealized_pnl"),
            positions={key: self.position(key) for key in self.rows},
            pools=pools,
        )


def margin_ratio(maintenance: float, equity: float) -> float:
    """Return maintenance / equity: 1 = liquidation, 0 without a requirement, infinite with one and no equity."""
    if maintenance <= 0.0:
        return 0.0
    return maintenance / equity if equity > 0.0 else float("inf")


def _price(prices: Mapping[str, Number], symbol: str) -> Number:
    if symbol not in prices:
        raise VenueError(f"marks has no price of {symbol}{did_you_mean(symbol, prices)}")
    return prices[symbol]


def _set(target: object, name: str, value: object) -> None:
    object.__setattr__(target, name, value)
