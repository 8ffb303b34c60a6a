"""One recording from beginning to end: what is listened to, where it is stored, and what came of it."""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feeds.downloads.capabilities import ccxt_id
from feeds.downloads.credentials import credentials
from feeds.downloads.endpoints import from_environment
from feeds.downloads.http import Client, Patience, as_list
from feeds.downloads.live import binance, bybit, deribit, hyperliquid, okx
from feeds.downloads.live.channels import checked
from feeds.downloads.live.connection import Live, Persistence, Session, lanes
from feeds.downloads.live.heard import Heard, Take
from feeds.downloads.live.report import Recording
from feeds.downloads.live.shelf import Shelf, Unusable
from feeds.downloads.live.tape import Batch, Tape
from feeds.downloads.pace import Pace
from feeds.downloads.run import unified_symbols
from feeds.downloads.windows import Wanted
from feeds.errors import FeedError
from feeds.paths import partition_bounds, partition_of
from feeds.schema import timeframe_ns
from feeds.symbols import to_native

if TYPE_CHECKING:
    from feeds.catalog import Catalog

_TAKES: dict[str, Take] = {
    "binance_usdm": binance.take,
    "binance_coinm": binance.take,
    "bybit": bybit.take,
    "okx": okx.take,
    "deribit": deribit.take,
    "hyperliquid": hyperliquid.take,
}
# What of a venue's markets is loaded at the start.
_MARKETS = {"bybit": ["linear", "inverse"], "okx": ["swap", "future"], "hyperliquid": ["swap"]}
_BINANCE_INTERVAL_H = 8  # of contracts that fundingInfo does not list (developers.binance.com, read 2026-11)
_IN_THE_WAY = Patience(attempts=4, first_s=1.0, longest_s=8.0, timeout_s=10.0)  # while messages arrive


def record(
    venue: str,
    symbols: str | Iterable[str],
    *,
    kinds: str | Iterable[str],
    catalog: "Catalog | str | Path",
    duration: str | None = None,
    base_urls: Mapping[str, str] | None = None,
    key_file: str | Path | None = None,
    stop: threading.Event | None = None,
    progress: Recording | None = None,
    client: Client | None = None,
    persistence: Persistence | None = None,
) -> Recording:
    """Record the present of a venue into a catalog until told to stop.

    Rows are stored at every full hour UTC and at the end; what is stored survives any end of the process. Lost
    connections are opened again, and what may have been missed meanwhile is a gap in the ledger, as is the time between
    two recordings. `ts_avail` of a row is when its message was received, by the clock of this machine.

    Parameters
    ----------
    venue : str
    symbols : str or iterable of str
        Unified or native.
    kinds : str or iterable of str
        ``liquidations, trades, book, mark, funding``.
    catalog : Catalog, str or Path
    duration : str, optional
        ``"1h"``, ``"30m"``: end by itself after that; otherwise at SIGINT, SIGTERM, or when `stop` is set.
    base_urls : mapping of str to str, optional
        Public host name to the URL that is asked instead (``http`` means ``ws`` for web sockets); wins over
        ``LEVDYN_BASE_URLS``.
    key_file : str or Path, optional
    stop : threading.Event, optional
        Set it to end the recording from another thread.
    progress : Recording, optional
        Kept up to date for a display; it is what is returned.
    client : Client, optional
        For REST requests, instead of the usual one.
    persistence : Persistence, optional

    Returns
    -------
    Recording

    Raises
    ------
    FeedError
        Before anything is listened to: an unknown venue or symbol, kinds that the venue does not send (each with what
        to do instead); later if the catalog cannot be written for too long.
    """
    from feeds.catalog import Catalog

    channels = checked(venue, [kinds] if isinstance(kinds, str) else kinds)
    names = unified_symbols(venue, symbols)
    duration_s = None if duration is None else timeframe_ns(duration) / 1e9
    target = catalog if isinstance(catalog, Catalog) else Catalog(catalog)
    root = target.local_root()
    patience = Persistence() if persistence is None else persistence
    memory = root / "downloads" / "bans.json"
    asker = (
        Client(from_environment(base_urls), patience=_IN_THE_WAY, pace=Pace(memory=memory))
        if client is None
        else client
    )
    found = Recording() if progress is None else progress
    tapes = [
        Tape(Wanted(venue, symbol, to_native(venue, symbol), channel.kind), channel)
        for symbol in names
        for channel in channels
    ]
    found.catalog, found.tapes, found.begun = str(root), tapes, asker.clock.now_ns()
    keeper = _Keeper(target, found, asker)
    exchange = Live(str(ccxt_id(venue)), asker, credentials(venue, Path(key_file) if key_file is not None else None))
    if venue in _MARKETS:
        exchange.raw.options["fetchMarkets"] = dict(exchange.raw.options["fetchMarkets"]) | {"types": _MARKETS[venue]}
    intervals: dict[str, int] = {}
    heard = Heard(venue, {(tape.wanted.kind, tape.wanted.native): tape for tape in tapes}, intervals)
    exchange.attend(heard, _TAKES[venue], binance.take_reply if venue.startswith("binance") else None, patience.ping_s)

    async def prepare() -> None:
        found.state = "connecting"
        await exchange.markets(names)
        if any(channel.kind == "funding" for channel in channels):
            intervals.update(await _intervals(exchange, venue, tapes))
        found.state = "recording"

    session = Session(exchange, lanes(tapes), patience, prepare, keeper.store, asker.clock.now_ns, duration_s)
    try:
        session.run(threading.Event() if stop is None else stop)
    finally:
        found.ended, found.unreadable, found.state = asker.clock.now_ns(), heard.unreadable, "ended"
        if client is None:
            asker.close()
    for tape in tapes:
        if not tape.since:
            tape.say("nothing was heard of it")
        if tape.rows:
            tape.say(f"{len(tape.rows):,} rows could not be stored")
    return found


class _Keeper:
    """Stores what tapes hold."""

    def __init__(self, catalog: "Catalog", found: Recording, client: Client) -> None:
        self._found = found
        self._clock = client.clock
        self._shelves: dict[str, Shelf] = {}
        for tape in found.tapes:
            shelf = Shelf(catalog, tape.wanted, tape.channel.host, tape.is_sparse)
            earlier = shelf.earlier()
            day = partition_bounds(partition_of(tape.wanted.kind, found.begun))[0]
            tape.resume_from(*(earlier if earlier is not None else (day, None)))
            self._shelves[str(tape.wanted)] = shelf

    def store(self, batches: list[tuple[Tape, Batch]]) -> list[tuple[Tape, Batch]]:
        """Store batches and return those that could not be stored now."""
        left = []
        for tape, batch in batches:
            name = str(tape.wanted)
            try:
                rows = self._shelves[name].put(batch, self._clock.now_ns())
                self._found.stored[name] = self._found.stored.get(name, 0) + rows
            except Unusable as error:
                tape.dropped += len(batch.rows)
                tape.say(str(error))
            except FeedError as error:
                tape.say(str(error))
                left.append((tape, batch))
        self._found.flushes += 1
        return left


async def _intervals(exchange: Live, venue: str, tapes: list[Tape]) -> dict[str, int]:
    """Return the seconds between two settlements of funding, by native name, of venues whose messages do not say."""
    natives = {tape.wanted.native: tape.wanted.symbol for tape in tapes}
    if venue == "bybit":
        markets = exchange.raw.markets
        return {native: int(markets[symbol]["info"]["fundingInterval"]) * 60 for native, symbol in natives.items()}
    if not venue.startswith("binance"):
        return {}
    prefix = "fapi" if venue == "binance_usdm" else "dapi"
    reply: Any = await exchange.asked_later(f"{prefix}PublicGetFundingInfo")
    listed = {str(each["symbol"]): int(each["fundingIntervalHours"]) for each in as_list(reply)}
    return {native: listed.get(native, _BINANCE_INTERVAL_H) * 3600 for native in natives}
