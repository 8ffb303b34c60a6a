"""Tardis (datasets.tardis.dev): a file a day of what it recorded, the first day of each month free (feeds.md 2.8)."""

from feeds.downloads.bulk.archive import Archive, Contents, Files
from feeds.downloads.bulk.cutting import hauled
from feeds.downloads.context import Context
from feeds.downloads.credentials import KEY_FILE
from feeds.downloads.http import HostError, RefusedError
from feeds.downloads.windows import Haul, Wanted, Window
from feeds.errors import FeedError
from feeds.findings import Gap
from feeds.schema import DAY_NS
from feeds.symbols import parse_symbol
from feeds.tables import ints
from feeds.times import day_text

VENDOR = "datasets.tardis.dev"
_READY_NS = 2 * DAY_NS  # files appear at about 06:00 UTC of the day after
_REFUSED = (401, 403)
_OWNER = "tardis"
_KEY_WORDS = f"LEVDYN_TARDIS_KEY, or 'tardis' in the key file (--key-file, {KEY_FILE})"

# kind: data type, format
TYPES = {
    "trades": ("trades", "tardis-trades"),
    "quotes": ("quotes", "tardis-quotes"),
    "book": ("incremental_book_L2", "tardis-book-updates"),
    "liquidations": ("liquidations", "tardis-liquidations"),
    "mark": ("derivative_ticker", "tardis-derivative-ticker"),
    "index": ("derivative_ticker", "tardis-derivative-ticker"),
    "open_interest": ("derivative_ticker", "tardis-derivative-ticker"),
    "funding": ("derivative_ticker", "tardis-derivative-ticker"),
    "options": ("options_chain", "tardis-options-chain"),
}
_EXCHANGES = {
    "binance_usdm": "binance-futures",
    "binance_coinm": "binance-delivery",
    "binance_spot": "binance",
    "bybit": "bybit",
    "bybit_spot": "bybit-spot",
    "deribit": "deribit",
    "bitmex": "bitmex",
    "krakenfutures": "cryptofacilities",
    "gate": "gate-io-futures",
    "bitget": "bitget-futures",
    "hyperliquid": "hyperliquid",
    "dydx": "dydx-v4",
    "coinbase": "coinbase",
    "gemini": "gemini",
    "kucoinfutures": "kucoin-futures",
}


class Tardis(Archive):
    """One stream. Files are cut by the time of receipt: the last rows of a day stand in the file of the next."""

    def __init__(self, context: Context, wanted: Wanted) -> None:
        self._type, form = TYPES[wanted.kind]
        found = context.credentials(_OWNER)
        self._has_key = found is not None
        headers = {} if found is None else {"Authorization": f"Bearer {found.key}"}
        super().__init__(context, wanted, Files(context, wanted, VENDOR, form, headers, absent=(404, 410)))

    def fetch(self, window: Window) -> Haul:
        """Return the rows of a window.

        Raises
        ------
        HostError
            If the key is not accepted: no other file will be given either.
        FeedError
            If a key is needed and there is none.
        """
        wanted, own = self._wanted, self._own(window)
        found = [self._contents(name) for name in own]
        is_young = self._context.now - window.end < _READY_NS
        if all(each is None for each in found):
            if not any(self._may_have(name) for name in own):
                raise FeedError(
                    f"{VENDOR}: without a key only the first day of each month can be had; give one as {_KEY_WORDS}"
                )
            return Haul(absence="not yet" if is_young else "absent")
        if window.end - window.start > DAY_NS:
            return hauled(wanted, window, found, is_young, needs_proof=False)
        after = day_text(window.end)
        tail = self._contents(after)
        haul = hauled(wanted, window, [*found, tail], is_young, needs_proof=False, may_be_empty=True)
        if tail is not None:
            return haul
        why = "is not there" if self._may_have(after) else "needs a key"
        rows = haul.table
        since = int(ints(rows, "ts")[-1]) + 1 if rows is not None and rows.num_rows else window.low
        gap = Gap(since, window.high, "missing", f"rows received after midnight: their file {after} {why}")
        return Haul(rows, haul.sources, haul.proof, False, haul.findings, (*haul.gaps, gap))

    def paths(self, window: Window) -> list[str]:
        """Return the files of the window's days and of the day after, as far as they can be had."""
        names = self._own(window)
        if window.end - window.start == DAY_NS:
            names.append(day_text(window.end))
        return [self._path(name) for name in names if self._may_have(name)]

    def _own(self, window: Window) -> list[str]:
        """Return the days of a window; the settlement of midnight is in the ticker of the day before it."""
        first = window.low - DAY_NS if self._wanted.kind == "funding" else window.low
        return [day_text(ts) for ts in range(first // DAY_NS * DAY_NS, window.high, DAY_NS)]

    def _contents(self, name: str) -> Contents | None:
        """Return a day's file, None when there is none or a key is needed for it."""
        if not self._may_have(name):
            return None
        try:
            return self._files.contents(self._path(name))
        except RefusedError as error:
            if error.status in _REFUSED:
                what = "does not accept the key" if self._has_key else "asks for a key; give one"
                raise HostError(f"{error}: it {what} ({_KEY_WORDS})") from None
            raise

    def _may_have(self, name: str) -> bool:
        """Tell whether a day's file can be asked for."""
        return self._has_key or name.endswith("-01")

    def _path(self, name: str) -> str:
        """Return the path of a day's file; chains stand in one file for all options of an exchange."""
        native = self._wanted.native.upper().replace("/", "-").replace(":", "-")
        symbol = "OPTIONS" if self._wanted.kind == "options" else native
        return f"v1/{exchange_of(self._wanted)}/{self._type}/{name.replace('-', '/')}/{symbol}.csv.gz"


def exchange_of(wanted: Wanted) -> str:
    """Return the exchange id under which Tardis keeps an instrument.

    Raises
    ------
    FeedError
        If it has none for it.
    """
    parts = parse_symbol(wanted.symbol)
    if wanted.venue == "okx":
        if not parts.settle:
            return "okex"
        return "okex-options" if parts.strike else "okex-futures" if parts.expiry else "okex-swap"
    if wanted.venue == "htx":
        return "huobi-dm-swap" if parts.quote == "USD" else "huobi-dm-linear-swap"
    if wanted.venue not in _EXCHANGES:
        raise FeedError(f"{wanted}: tardis has nothing of {wanted.venue}; it has {', '.join(VENUES)}")
    return _EXCHANGES[wanted.venue]


VENUES = tuple(sorted((*_EXCHANGES, "htx", "okx")))
