"""Web sockets of ccxt.pro, opened again whenever they break; the one module with an event loop."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from feeds.downloads.exchange import Exchange
from feeds.downloads.http import HostError, shortened
from feeds.downloads.live.channels import Channel
from feeds.downloads.live.heard import Heard, Take
from feeds.downloads.live.tape import Batch, Tape
from feeds.errors import FeedError

_MS = 1_000_000
_SPREAD = 0.618  # of lanes that wait for the same host, so that they do not all ask in the same moment
_LANE: ContextVar["Lane"] = ContextVar("lane")  # that a task, or a task of ccxt that it began, works for
Reply = Callable[[str, Heard, int, Any], None]


@dataclass(frozen=True, slots=True)
class Persistence:
    """How a connection is watched and opened again.

    Attributes
    ----------
    ping_s : float
        Between two pings; a connection that leaves two of them unanswered counts as lost.
    first_s, longest_s : float
        Waits before opening again double from the first to the longest.
    refusals : int
        Of the venue in a row, after which a stream is given up.
    flush_s : float
        Rows are stored at every multiple of it since 1970, so at full hours UTC.
    most_rows : int
        That wait for the disk, of all streams together; more are stored at once.
    """

    ping_s: float = 15.0
    first_s: float = 1.0
    longest_s: float = 60.0
    refusals: int = 5
    flush_s: float = 3600.0
    most_rows: int = 200_000


@dataclass
class Lane:
    """One subscription, which may feed several tapes."""

    symbol: str
    channel: Channel
    tapes: list[Tape] = field(default_factory=list)
    client: Any = None
    is_heard: bool = False

    @property
    def quiet_s(self) -> float | None:
        """Return after how much silence the connection is opened again, None for never."""
        return min((tape.channel.quiet_s for tape in self.tapes if tape.channel.quiet_s), default=None)

    def alive(self) -> int:
        """Return the last sign of life of the connection, ns; 0 when there is none."""
        return max(getattr(self.client, name, None) or 0 for name in ("last_message_at", "lastPong")) * _MS


def lanes(tapes: Iterable[Tape]) -> list[Lane]:
    """Return the subscriptions that tapes need: those of one method and symbol share one."""
    found: dict[tuple[str, str], Lane] = {}
    for tape in tapes:
        key = (tape.wanted.symbol, tape.channel.method)
        found.setdefault(key, Lane(tape.wanted.symbol, tape.channel)).tapes.append(tape)
    return list(found.values())


class Live(Exchange):
    """An exchange of ccxt.pro whose REST requests go through our client and whose messages are heard by us first.

    Parameters
    ----------
    ccxt_id, client, credentials
        As of `Exchange`.

    Notes
    -----
    Rows are made of the messages themselves, not of ccxt's unified structures: those have floats, and forget what
    does not fit their cache. ccxt knows how to subscribe, to answer pings, to follow a book and to tell an error.
    """

    def attend(self, heard: Heard, take: Take, take_reply: Reply | None, ping_s: float) -> None:
        """Put what arrives from now on on the tapes.

        Parameters
        ----------
        heard : Heard
        take : callable
            Files a message.
        take_reply : callable or None
            Files a reply by REST.
        ping_s : float
        """
        self._heard, self._take_message, self._take_reply = heard, take, take_reply
        self._lanes: list[Lane] = []
        raw = self.raw
        self._handle, self._open_client = raw.handle_message, raw.client
        raw.handle_message, raw.client = self._message, self._client_of
        raw.streaming = dict(raw.streaming) | {"keepAlive": int(min(raw.streaming["keepAlive"], ping_s * 1000))}

    async def markets(self, symbols: Sequence[str]) -> None:
        """Load what the exchange lists; raises FeedError for symbols that are not among it."""
        self.raw.has["fetchCurrencies"] = False  # load_markets would ask for them, and nobody needs them
        await self.asked_later("load_markets")
        missing = [symbol for symbol in symbols if symbol not in self.raw.markets]
        if missing:
            raise FeedError(f"{self.raw.id} does not list {', '.join(missing)}")

    async def asked_later(self, name: str) -> Any:
        """Return what a method of ccxt.pro, or a raw endpoint, returns; its errors become ours."""
        try:
            return await getattr(self.raw, name)()
        except self._ccxt.BaseError as error:
            raise HostError(f"{self.raw.id}: {type(error).__name__}: {shortened(str(error))}") from None

    async def follow(self, lane: Lane, persistence: Persistence, place: int) -> None:
        """Keep one subscription alive until this task is cancelled, or the venue has refused it too often."""
        failures = refusals = 0
        self._lanes.append(lane)
        _LANE.set(lane)
        while True:
            lane.is_heard = False
            error = await self._until_broken(lane)
            if lane.is_heard:
                failures = refusals = 0
            is_refusal = not isinstance(error, self._ccxt.NetworkError | TimeoutError | HostError)
            refusals += is_refusal
            if refusals >= persistence.refusals:
                for tape in lane.tapes:
                    tape.say(f"given up: {type(error).__name__}: {shortened(str(error))}")
                return
            wait_s = min(persistence.first_s * 2.0**failures, persistence.longest_s)
            failures += 1
            await asyncio.sleep(wait_s * (0.5 + place * _SPREAD % 1.0))

    async def _until_broken(self, lane: Lane) -> Exception:
        """Listen until the connection breaks or falls silent, and return why."""
        try:
            while True:
                watch = getattr(self.raw, lane.channel.method)
                arguments = dict(lane.channel.params)
                limit = {"limit": arguments.pop("limit")} if "limit" in arguments else {}
                await asyncio.wait_for(watch(lane.symbol, **limit, params=arguments), lane.quiet_s)
        except (self._ccxt.BaseError, TimeoutError, FeedError, OSError) as error:
            broken: Exception = error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # ccxt cancels what waits for a connection that it closes for the sake of another subscription.
            broken = self._ccxt.NetworkError("closed")
        alive, client, lane.client = lane.alive(), lane.client, None
        for tape in lane.tapes:
            tape.disconnected(alive)
        if client is not None and self.raw.clients.get(client.url) is client:
            # Whatever broke it, ccxt must forget the connection: only a new one subscribes again.
            client.on_error(self._ccxt.NetworkError(f"opened anew after {type(broken).__name__}"))
        return broken

    def _client_of(self, url: str) -> Any:
        """Return ccxt's connection of a URL, led to where its host is redirected; remember who asked."""
        client = self._open_client(self._client.endpoints.resolve_socket(url))
        lane = _LANE.get(None)
        if lane is not None:
            lane.client = client
        return client

    def _message(self, client: Any, message: Any) -> None:
        """Hear a message, then let ccxt have it; what ccxt cannot digest ends the connection."""
        now = self._client.clock.now_ns()
        for lane in self._lanes:
            if lane.client is client and not lane.is_heard:
                lane.is_heard = True
                for tape in lane.tapes:
                    tape.connected(now)
        self._heard.listen(self._take_message, now, message)
        try:
            self._handle(client, message)
        except Exception as error:  # of any type: it would end ccxt's receiving without a word
            text = f"{type(error).__name__}: {shortened(str(error))}"
            for tape in (tape for lane in self._lanes if lane.client is client for tape in lane.tapes):
                tape.say(f"opened anew after a message that ccxt could not follow: {text}")
            client.on_error(self._ccxt.NetworkError(text))

    def _made(self, ccxt_id: str, options: dict[str, Any]) -> Any:
        """Return ccxt.pro's object, its requests led to ours."""
        import ccxt.pro

        if not hasattr(ccxt.pro, ccxt_id):
            raise FeedError(f"ccxt {ccxt.__version__} has no web sockets of {ccxt_id!r}")
        raw = getattr(ccxt.pro, ccxt_id)(options)
        raw.fetch = self._fetch_in_thread
        raw.throttle = self._throttle_later
        return raw

    async def _throttle_later(self, cost: float | None = None) -> None:
        """Remember the cost of the request that follows."""
        self._throttle(cost)

    async def _fetch_in_thread(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """Stand in for ccxt's own HTTP call, without holding up the messages."""
        reply = await asyncio.to_thread(self._fetch, url, method, headers, body)
        if self._take_reply is not None:
            self._heard.listen(partial(self._take_reply, url), self._client.clock.now_ns(), reply)
        return reply


@dataclass
class Session:
    """One run of the event loop: listens, stores at every full hour, ends when told.

    Attributes
    ----------
    exchange : Live
    lanes : list of Lane
    persistence : Persistence
    prepare : callable
        Awaited before anything is listened to.
    store : callable
        Stores batches, by tape, and returns those that must be offered again; called in a thread.
    now_ns : callable
    duration_s : float or None
    """

    exchange: Live
    lanes: list[Lane]
    persistence: Persistence
    prepare: Callable[[], Awaitable[None]]
    store: Callable[[list[tuple[Tape, Batch]]], list[tuple[Tape, Batch]]]
    now_ns: Callable[[], int]
    duration_s: float | None = None
    _flushing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def run(self, stop: threading.Event) -> None:
        """Listen until `stop` is set, a signal comes, the time is over, or nothing is left to listen to."""
        asyncio.run(self._run(stop))

    async def _run(self, stop: threading.Event) -> None:
        with _signals(stop):
            ended = asyncio.ensure_future(self._ended(stop))
            try:
                ready = asyncio.ensure_future(self.prepare())
                first: list[asyncio.Future[Any]] = [ready, ended]
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
                if ready.done():
                    ready.result()
                    await self._listen(ended)
                else:
                    ready.cancel()
            finally:
                ended.cancel()
                await self.exchange.raw.close()
            await self._flush()

    async def _listen(self, ended: "asyncio.Future[None]") -> None:
        """Follow all lanes, and store from time to time."""
        follow = self.exchange.follow
        tasks = [asyncio.ensure_future(follow(lane, self.persistence, i)) for i, lane in enumerate(self.lanes)]
        keeper = asyncio.ensure_future(self._keep())
        over = asyncio.gather(*tasks)
        waited: list[asyncio.Future[Any]] = [over, keeper, ended]
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for each in (over, keeper):
                if each.done():
                    each.result()
        finally:
            for task in (*tasks, keeper):
                task.cancel()
            await asyncio.gather(*tasks, keeper, over, return_exceptions=True)

    async def _keep(self) -> None:
        """Store at every full hour, and whenever too much waits."""
        step = int(self.persistence.flush_s * 1e9)
        due = (self.now_ns() // step + 1) * step
        while True:
            await asyncio.sleep(min(1.0, self.persistence.flush_s / 10))
            if self.now_ns() >= due or self._waiting() >= self.persistence.most_rows:
                await asyncio.shield(self._flush())
                if self._waiting() >= self.persistence.most_rows:
                    raise FeedError(f"{self._waiting():,} rows wait for a disk that does not take them")
                due = (self.now_ns() // step + 1) * step

    def _waiting(self) -> int:
        """Return the rows that wait for the disk."""
        return sum(len(tape.rows) for lane in self.lanes for tape in lane.tapes)

    async def _flush(self) -> None:
        """Store what waits; only the storing itself happens in another thread."""
        async with self._flushing:
            batches = []
            for lane in self.lanes:
                for tape in lane.tapes:
                    if lane.is_heard:
                        tape.alive = max(tape.alive, lane.alive())
                    batches.append((tape, tape.take()))
            for tape, batch in await asyncio.to_thread(self.store, batches):
                tape.give_back(batch)

    async def _ended(self, stop: threading.Event) -> None:
        """Return when the recording is to end."""
        loop = asyncio.get_running_loop()
        until = None if self.duration_s is None else loop.time() + self.duration_s
        while not stop.is_set() and (until is None or loop.time() < until):
            await asyncio.sleep(0.1)


@contextlib.contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the recording cleanly; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: Mapping[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, frame: Any) -> None:
        stop.set()
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
