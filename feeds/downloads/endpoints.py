"""Where requests go: every vendor host can be redirected, plain http only when it is given so."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

from feeds.errors import FeedError

ENVIRONMENT = "LEVDYN_BASE_URLS"
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


class Endpoints:
    """Base URLs by public host name.

    Parameters
    ----------
    bases : mapping of str to str
        ``{"fapi.binance.com": "http://127.0.0.1:9000"}``; the path of the base is kept in front of the vendor's path.

    Raises
    ------
    FeedError
        If a key is no host name, or a value no plain http(s) URL.
    """

    def __init__(self, bases: Mapping[str, str] | None = None) -> None:
        self._bases = {host.lower(): _base(host, url) for host, url in (bases or {}).items()}

    @property
    def is_redirecting(self) -> bool:
        """Tell whether any host is redirected."""
        return bool(self._bases)

    def resolve(self, url: str) -> str:
        """Return the URL to ask instead of a vendor's, which must be https.

        Raises
        ------
        FeedError
            If the URL is not https and its host is not redirected.
        """
        parts = urlsplit(url)
        base = self._bases.get((parts.hostname or "").lower())
        if base is not None:
            return base + urlunsplit(("", "", parts.path, parts.query, ""))
        if parts.scheme != "https" and not any(url.startswith(f"{each}/") for each in self._bases.values()):
            raise FeedError(
                f"{parts.scheme}://{parts.hostname}: only https is asked; redirect a host to plain http explicitly "
                f"with --base-url or {ENVIRONMENT}"
            )
        return url

    def resolve_socket(self, url: str) -> str:
        """Return the web socket URL to open instead of a vendor's, which must be wss.

        Raises
        ------
        FeedError
            If the URL is not wss and its host is not redirected.
        """
        scheme, _, rest = url.partition("://")
        if scheme not in ("ws", "wss"):
            raise FeedError(f"{scheme}://{urlsplit(url).hostname}: is no web socket")
        found = self.resolve(f"http{scheme[2:]}://{rest}")
        return f"ws{found.removeprefix('http')}"


def from_environment(bases: Mapping[str, str] | None = None) -> Endpoints:
    """Return the base URLs of ``LEVDYN_BASE_URLS`` (a JSON object), those given explicitly winning over it."""
    text = os.environ.get(ENVIRONMENT, "").strip()
    try:
        found = json.loads(text) if text else {}
    except ValueError as error:
        raise FeedError(f"{ENVIRONMENT} must hold a JSON object of host to URL: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(url, str) for url in found.values()):
        raise FeedError(f'{ENVIRONMENT} must hold a JSON object, as {{"fapi.binance.com": "http://127.0.0.1:9000"}}')
    return Endpoints(found | dict(bases or {}))


def parse_pairs(texts: Iterable[str]) -> dict[str, str]:
    """Return the mapping that ``HOST=URL`` texts of the command line mean."""
    found = {}
    for text in texts:
        host, equals, url = text.partition("=")
        if not equals:
            raise FeedError(f"--base-url takes HOST=URL, got {text!r}")
        found[host.strip()] = url.strip()
    return found


def where(url: str) -> str:
    """Return host and path of a URL for messages: a query may hold a signature."""
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"


def _base(host: str, url: str) -> str:
    """Check one redirection and return its URL without a slash at the end."""
    if not _HOST.fullmatch(host.lower()):
        raise FeedError(f"base URL of {host!r}: the key is the vendor's public host name, as fapi.binance.com")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise FeedError(f"base URL of {host}: must be http://... or https://... without a query, got {where(url)!r}")
    if parts.username or parts.password:
        raise FeedError(f"base URL of {host}: credentials do not belong into a URL")
    return url.rstrip("/")
