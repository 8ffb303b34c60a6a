"""An exchange as ccxt knows it, whose requests go through our client: its raw endpoints, its signatures, our rules."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from feeds.downloads.credentials import Credentials
from feeds.downloads.endpoints import where
from feeds.downloads.http import Client, RefusedError, Take, Transient, parsed, shortened, taken
from feeds.errors import FeedError

T = TypeVar("T")

# Codes with which venues say "later" although ccxt reports a plain ExchangeError (feeds.md 1.5).
_LATER = ('"code":-1,', '"code":-1000,', '"code":-1001,', '"code":-1007,', '"retCode":10006', '"retCode":10016')


class Exchange:
    """One exchange of ccxt.

    Parameters
    ----------
    ccxt_id : str
    client : Client
    credentials : Credentials, optional
        For signed endpoints.

    Notes
    -----
    ccxt builds the request (URL, signature) and knows its cost and the meaning of error codes. The bytes travel through
    `Client`, so budgets, retries, Retry-After, redirected hosts and the check that a reply is JSON hold here too.
    """

    def __init__(self, ccxt_id: str, client: Client, credentials: Credentials | None = None) -> None:
        import ccxt

        self._ccxt = ccxt
        self._client = client
        options = {"enableRateLimit": True} | ({} if credentials is None else credentials.for_ccxt())
        self.raw = self._made(ccxt_id, options)
        self._cost_s = 0.0
        self._take: Take = _anything
        self._taken: Any = None

    def call(self, name: str, params: Mapping[str, Any], take: Callable[[Any], T]) -> T:
        """Return the rows in the reply of one of ccxt's raw endpoints, such as ``fapiPublicGetKlines``.

        Parameters
        ----------
        name : str
        params : mapping
        take : callable
            Returns what is wanted of a reply. A reply in which it does not find that is asked for again: a venue in
            trouble answers with status 200 and something else.

        Raises
        ------
        FeedError
            If the exchange refuses the request.
        """
        self._take = take
        try:
            self.asked(lambda: getattr(self.raw, name)(dict(params)))
            found: T = self._taken
            return found
        finally:
            self._take, self._taken = _anything, None

    def asked(self, question: Callable[[], Any]) -> Any:
        """Return what a call of ccxt returns; its errors become ours."""
        try:
            return question()
        except self._ccxt.BaseError as error:
            raise RefusedError(f"{self.raw.id}: {type(error).__name__}: {shortened(str(error))}") from None

    def _made(self, ccxt_id: str, options: dict[str, Any]) -> Any:
        """Return ccxt's object, its requests led to ours."""
        if not hasattr(self._ccxt, ccxt_id):
            raise FeedError(f"ccxt {self._ccxt.__version__} has no exchange {ccxt_id!r}; it may have closed")
        raw = getattr(self._ccxt, ccxt_id)(options)
        raw.fetch = self._fetch
        raw.throttle = self._throttle
        return raw

    def _throttle(self, cost: float | None = None) -> None:
        """Remember what the request that follows costs; `Client` does the waiting, host by host."""
        self._cost_s = float(self.raw.rateLimit) * (1.0 if cost is None else float(cost)) / 1000

    def _fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """Stand in for ccxt's own HTTP call."""
        cost_s, self._cost_s = self._cost_s, 0.0
        sent = {str(name): str(value) for name, value in self.raw.prepare_request_headers(headers).items()}
        return self._client.retrying(
            urlsplit(url).hostname or "", lambda: self._fetch_once(url, method, sent, body, cost_s)
        )

    def _fetch_once(self, url: str, method: str, headers: dict[str, str], body: str | None, cost_s: float) -> Any:
        reply = self._client.once(url, method=method, headers=headers, body=body, cost_s=cost_s)
        if reply.status == 403:
            raise Transient(f"{where(url)}: status 403 (a firewall, or a region that the venue does not serve)")
        value = parsed(reply.text, where(url))
        try:
            self.raw.handle_errors(reply.status, "", url, method, reply.headers, reply.text, value, headers, body)
        except self._ccxt.NetworkError as error:
            raise Transient(f"{where(url)}: {type(error).__name__}: {shortened(reply.text)}") from None
        except self._ccxt.BaseError:
            if any(code in reply.text.replace(" ", "") for code in _LATER):
                raise Transient(f"{where(url)}: {shortened(reply.text)}") from None
            raise RefusedError(f"{where(url)}: {shortened(reply.text)}") from None
        if reply.status >= 400:
            raise RefusedError(f"{where(url)}: status {reply.status}: {shortened(reply.text)}")
        self._taken = taken(value, self._take, where(url))
        return value


def _anything(reply: Any) -> Any:
    """Return a reply of any form."""
    return reply
