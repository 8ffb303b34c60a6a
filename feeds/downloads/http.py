"""The one HTTP client: retries, budgets per host, whole files with resume. Nothing else here opens a connection."""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import tenacity

from feeds.downloads.endpoints import Endpoints, where
from feeds.downloads.pace import Clock, Pace
from feeds.errors import FeedError

T = TypeVar("T")
Take = Callable[[Any], Any]

GONE = (403, 404, 410)
_REDIRECTS = (301, 302, 303, 307, 308)


class Transient(Exception):
    """A failure that may pass: the request is repeated, after `wait_s` where the host said when."""

    def __init__(self, text: str, *, wait_s: float | None = None) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class HostError(FeedError):
    """A host did not answer usably after all attempts."""


class RefusedError(FeedError):
    """A host answered that it will not give what was asked for; `status` is that of its reply, 0 when it had none."""

    def __init__(self, text: str, *, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a request is repeated.

    Attributes
    ----------
    attempts : int
    first_s, longest_s : float
        Waits double from the first to the longest, each varied by half of it either way.
    timeout_s : float
        For connecting and between two pieces of a reply.
    """

    attempts: int = 8
    first_s: float = 1.0
    longest_s: float = 60.0
    timeout_s: float = 30.0


@dataclass
class Traffic:
    """What has been asked and received so far; read by the progress display."""

    requests: int = 0
    bytes: int = 0
    retries: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, *, requests: int = 0, size: int = 0, retries: int = 0) -> None:
        """Add to the counts."""
        with self.lock:
            self.requests += requests
            self.bytes += size
            self.retries += retries


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that was received whole."""

    status: int
    text: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that was received whole.

    Attributes
    ----------
    path : Path
    sha256 : str
    size : int
    """

    path: Path
    sha256: str
    size: int


class Client:
    """Requests to vendors.

    Parameters
    ----------
    endpoints : Endpoints
    patience : Patience
    pace : Pace, optional
    """

    def __init__(
        self, endpoints: Endpoints | None = None, *, patience: Patience | None = None, pace: Pace | None = None
    ) -> None:
        self.endpoints = Endpoints() if endpoints is None else endpoints
        self.patience = Patience() if patience is None else patience
        self.pace = Pace() if pace is None else pace
        self.traffic = Traffic()
        # The environment's proxy is used unless hosts are redirected: what is redirected to loopback must go there.
        self._http = httpx.Client(
            timeout=self.patience.timeout_s, follow_redirects=False, trust_env=not self.endpoints.is_redirecting
        )

    @property
    def clock(self) -> Clock:
        """Return the clock that waits are measured with."""
        return self.pace.clock

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def retrying(self, host: str, once: Callable[[], T]) -> T:
        """Return what `once` returns, repeating it while it raises Transient.

        Raises
        ------
        HostError
            After the last attempt.
        """

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            asked = error.wait_s if isinstance(error, Transient) else None
            if asked is not None:
                return asked
            usual = min(self.patience.first_s * 2.0 ** (state.attempt_number - 1), self.patience.longest_s)
            return usual * (0.5 + self.clock.now_ns() // 1000 % 1000 / 1000)  # processes must not wait in step

        def before(state: tenacity.RetryCallState) -> None:
            self.traffic.count(retries=1)

        def sleep(seconds: float) -> None:
            self.pace.wait(host, seconds, "retry")

        try:
            return tenacity.Retrying(
                stop=tenacity.stop_after_attempt(self.patience.attempts),
                retry=tenacity.retry_if_exception_type(Transient),
                wait=wait,
                sleep=sleep,
                before_sleep=before,
                reraise=True,
            )(once)
        except Transient as error:
            raise HostError(f"{error}; gave up after {self.patience.attempts} attempts") from None

    def once(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        cost_s: float = 0.0,
    ) -> Reply:
        """Ask once; replies that say "later" or that were cut raise Transient, all others are returned."""
        host = urlsplit(url).hostname or ""
        self.pace.take(host, cost_s)
        try:
            reply = self._http.request(
                method, self.endpoints.resolve(url), headers=dict(headers or {}), content=body and body.encode()
            )
        except httpx.HTTPError as error:
            raise Transient(f"{where(url)}: {_words(error)}") from None
        self.traffic.count(requests=1, size=len(reply.content))
        self._judge(url, host, reply)
        return Reply(reply.status_code, reply.content.decode("utf-8", "replace"), dict(reply.headers))

    def json(self, url: str, take: Callable[[Any], T]) -> T:
        """Return what `take` takes of the JSON object or array of a URL, numbers with decimals as text.

        Raises
        ------
        HostError
            If the host never sends JSON of the form that `take` expects.
        RefusedError
        """

        def once() -> T:
            reply = self.once(url)
            if reply.status == 403:
                raise Transient(f"{where(url)}: status 403 (a firewall, or a region that the venue does not serve)")
            if reply.status >= 400:
                raise RefusedError(f"{where(url)}: status {reply.status}: {shortened(reply.text)}")
            return taken(parsed(reply.text, where(url)), take, where(url))

        return self.retrying(urlsplit(url).hostname or "", once)

    def text(self, url: str, *, headers: Mapping[str, str] | None = None) -> str | None:
        """Return a small text file, None when the host does not have it."""

        def once() -> str | None:
            reply = self.once(url, headers=headers)
            if reply.status in GONE:
                return None
            if reply.status >= 400:
                raise RefusedError(f"{where(url)}: status {reply.status}")
            if reply.text.lstrip()[:1] == "<":
                raise Transient(f"{where(url)}: a web page came instead of the file")
            return reply.text

        return self.retrying(urlsplit(url).hostname or "", once)

    def file(
        self, url: str, target: Path, *, headers: Mapping[str, str] | None = None, absent: tuple[int, ...] = GONE
    ) -> Stored | None:
        """Receive a file whole into `target`, going on where an earlier attempt stopped; None when it is not there.

        A half is kept as ``<name>.part`` with the ETag it belongs to beside it; it is continued only when the host
        still has that very file. `absent` are the statuses with which the host says that it does not have it.
        """
        return self.retrying(urlsplit(url).hostname or "", lambda: self._file_once(url, target, headers or {}, absent))

    def _file_once(self, url: str, target: Path, headers: Mapping[str, str], absent: tuple[int, ...]) -> Stored | None:
        host = urlsplit(url).hostname or ""
        target.parent.mkdir(parents=True, exist_ok=True)
        part, tag = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.etag")
        have = part.stat().st_size if part.exists() and tag.exists() else 0
        asked = dict(headers) | {"Accept-Encoding": "identity"}
        if have:
            asked |= {"Range": f"bytes={have}-", "If-Range": tag.read_text()}
        self.pace.take(host, 0.0)
        try:
            with self._http.stream("GET", self.endpoints.resolve(url), headers=asked) as reply:
                self.traffic.count(requests=1)
                if reply.status_code in absent:
                    return None
                if reply.status_code == 416:
                    part.unlink(missing_ok=True)
                    raise Transient(f"{where(url)}: the file is shorter than before")
                self._judge(url, host, reply)
                if reply.status_code >= 400:
                    raise RefusedError(f"{where(url)}: status {reply.status_code}", status=reply.status_code)
                is_rest = reply.status_code == 206
                etag = reply.headers.get("ETag", "")
                if etag and not etag.startswith("W/"):
                    tag.write_text(etag)
                else:
                    tag.unlink(missing_ok=True)
                with open(part, "ab" if is_rest else "wb") as file:
                    for chunk in reply.iter_raw():
                        file.write(chunk)
                        self.traffic.count(size=len(chunk))
                expected = int(reply.headers.get("Content-Length", "-1"))
        except httpx.HTTPError as error:
            raise Transient(f"{where(url)}: {_words(error)}") from None
        size = part.stat().st_size
        if expected >= 0 and size != expected + (have if is_rest else 0):
            part.unlink()
            raise Transient(f"{where(url)}: {size} bytes came where {expected} were announced")
        with open(part, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        part.replace(target)
        tag.unlink(missing_ok=True)
        return Stored(target, digest, size)

    def _judge(self, url: str, host: str, reply: httpx.Response) -> None:
        """Raise Transient for a status that says to come back later."""
        status = reply.status_code
        if "x-mbx-used-weight-1m" in reply.headers:
            with_digits = reply.headers["x-mbx-used-weight-1m"]
            self.pace.see_weight(host, int(with_digits) if with_digits.isdigit() else 0)
        if status in (418, 429):
            wait = _retry_after(reply.headers.get("Retry-After"))
            if wait is not None:  # also for requests that other threads are about to make
                self.pace.hold(host, wait)
            if status == 418:  # the whole host stops, in this process and in the next
                self.pace.ban(host, self.patience.longest_s if wait is None else wait)
            raise Transient(f"{where(url)}: asked too often (status {status})", wait_s=wait)
        if status >= 500 or status == 408:
            raise Transient(f"{where(url)}: status {status}", wait_s=_retry_after(reply.headers.get("Retry-After")))
        if status in _REDIRECTS:
            raise RefusedError(f"{where(url)}: sends us elsewhere (status {status}); redirections are not followed")


def parsed(text: str, name: str) -> Any:
    """Return a JSON object or array, numbers with decimals kept as text; anything else raises Transient."""
    try:
        value = json.loads(text, parse_float=str)
    except ValueError:
        raise Transient(f"{name}: the reply is not JSON: {shortened(text)}") from None
    if not isinstance(value, dict | list):
        raise Transient(f"{name}: the reply is neither a JSON object nor an array: {shortened(text)}")
    return value


def as_list(reply: Any) -> list[Any]:
    """Return a reply that is an array."""
    if not isinstance(reply, list):
        raise TypeError("not an array")
    return reply


def taken(reply: Any, take: Callable[[Any], T], name: str) -> T:
    """Return what `take` takes of a reply; a reply of another form raises Transient."""
    try:
        return take(reply)
    except (KeyError, IndexError, TypeError, ValueError):
        raise Transient(f"{name}: the reply has another form: {shortened(json.dumps(reply))}") from None


def shortened(text: str) -> str:
    """Return the beginning of a reply for a message, on one line."""
    line = " ".join(text.split())
    return repr(line if len(line) <= 80 else f"{line[:77]}...")


def _retry_after(text: str | None) -> float | None:
    """Return the seconds of a Retry-After header; a date or nonsense counts as none."""
    try:
        return max(0.0, float(text)) if text is not None else None
    except ValueError:
        return None


def _words(error: httpx.HTTPError) -> str:
    """Say what went wrong without repeating the URL."""
    kinds = {"ReadTimeout": "no answer in time", "ConnectTimeout": "no connection in time"}
    return kinds.get(type(error).__name__, f"the connection failed ({type(error).__name__})")
