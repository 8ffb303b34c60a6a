"""An exchange on this machine that speaks the venues' formats over real HTTP, with faults on demand."""

import gzip
import json
import random
import socket
import struct
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from loopback import archives, binance, bybit, deribit, hyperliquid, okx, tardis
from loopback.page import Page
from loopback.truth import World

HANDLERS = {
    "fapi.binance.com": binance.answer,
    "dapi.binance.com": binance.answer,
    "api.bybit.com": bybit.answer,
    "www.okx.com": okx.answer,
    "www.deribit.com": deribit.answer,
    "history.deribit.com": deribit.answer,
    "api.hyperliquid.xyz": hyperliquid.answer,
    "data.binance.vision": archives.binance_vision,
    "public.bybit.com": archives.bybit,
    "static.okx.com": archives.okx,
    "datasets.tardis.dev": tardis.answer,
}
HTML = b"<html><body>Attention required</body></html>"


@dataclass
class Fault:
    """Something that goes wrong with the next requests whose path holds a word.

    Attributes
    ----------
    kind : str
    match : str
    times : int
        How many requests; -1 for all.
    skip : int
        How many matching requests go well before.
    retry_after : str or None
    """

    kind: str
    match: str = ""
    times: int = 1
    skip: int = 0
    retry_after: str | None = None


@dataclass(frozen=True)
class Request:
    """A request that came in."""

    host: str
    path: str
    params: dict
    headers: dict


class Exchange:
    """The server; use as a context.

    Attributes
    ----------
    world : World
    requests : list of Request
    faults : list of Fault
    """

    def __init__(self, world=None):
        self.world = World() if world is None else world
        self.requests = []
        self.faults = []
        self.files = {}  # bytes that archives serve instead of what they would
        self._lock = threading.Lock()
        self._server = _Quiet(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    @property
    def bases(self):
        """Return the redirections that lead here."""
        port = self._server.server_address[1]
        return {host: f"http://127.0.0.1:{port}/{host}" for host in HANDLERS}

    def fault(self, kind, match="", **options):
        """Let something go wrong."""
        self.faults.append(Fault(kind, match, **options))

    def asked(self, word):
        """Return the requests whose path holds a word."""
        return [each for each in self.requests if word in each.path]

    def take_fault(self, path):
        """Return the fault for a request, None when it goes well."""
        with self._lock:
            for fault in self.faults:
                if fault.match in path and fault.times:
                    if fault.skip:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None


class _Quiet(ThreadingHTTPServer):
    """A server that does not print what a client's broken connection raises in it."""

    def handle_error(self, request, client_address):
        pass


def spoiled(rows, kind):
    """Return rows as a venue that is not well gives them."""
    if kind == "half_page":
        return rows[: len(rows) // 2]
    if kind == "newest_half":
        return rows[len(rows) // 2 :]
    if kind == "duplicates":
        return [row for row in rows for _ in range(2)]
    if kind == "shuffled":
        return random.Random(3).sample(rows, len(rows))
    if kind == "reversed":
        return rows[::-1]
    if kind == "empty_list":
        return []
    if kind == "lower_limit":
        return rows[:99]
    return rows


def _handler(exchange):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            self._serve({})

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._serve(json.loads(body))

        def _serve(self, body):
            parts = urlsplit(self.path)
            _, host, path = parts.path.split("/", 2)
            params = dict(parse_qsl(parts.query)) | body
            exchange.requests.append(Request(host, f"/{path}", params, dict(self.headers)))
            fault = exchange.take_fault(f"{host}/{path} {params.get('type', '')}")
            kind = fault.kind if fault else ""
            if kind in _BROKEN:
                _BROKEN[kind](self, fault)
                return
            if "Authorization" in self.headers:
                params["Authorization"] = self.headers["Authorization"]
            try:
                found = HANDLERS[host](exchange.world, f"/{path}", params)
            except tardis.UnauthorizedError:
                self._send(401, b'{"code":100,"message":"key"}', {})
                return
            headers = {}
            if isinstance(found, Page):
                rows = spoiled(found.rows, kind)
                data = json.dumps(found.body(rows)).encode()
            elif isinstance(found, bytes) or found is None:
                data = exchange.files.get(f"{host}/{path}", found)
                headers = {"ETag": f'"{hash(data)}"'} if data is not None else {}
            else:
                data = json.dumps(found).encode()
            if data is None or kind == "404":
                self._send(404, b"not here", {})
                return
            self._whole(data, headers, kind)

        def _whole(self, data, headers, kind):
            if kind == "truncated_json":
                data = data[: len(data) // 2]
            if kind == "bad_gzip":
                packed = bytearray(gzip.compress(data))
                packed[-6] ^= 0xFF
                self._send(200, bytes(packed), {"Content-Encoding": "gzip"})
                return
            if kind in ("long_length", "cut_file"):
                self.send_response(200)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
                return
            asked = self.headers.get("Range")
            if asked and headers and self.headers.get("If-Range") == headers["ETag"] and kind != "no_range":
                first = int(asked.removeprefix("bytes=").rstrip("-"))
                self._send(206, data[first:], headers)
                return
            self._send(200, data, headers)

        def _send(self, status, data, headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def _status(code, data):
    def send(handler, fault):
        headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
        handler._send(code, data, headers)

    return send


def _hang(handler, fault):
    time.sleep(1.0)  # longer than the patience of the tests
    handler.close_connection = True


def _reset(handler, fault):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True
    handler.wfile = open("/dev/null", "wb")  # noqa: SIM115


_BROKEN = {
    "429": _status(429, b'{"code":-1003,"msg":"Too many requests"}'),
    "418": _status(418, b'{"code":-1003,"msg":"banned"}'),
    "403_html": _status(403, HTML),
    "500_html": _status(500, HTML),
    "503_json": _status(503, b'{"code":-1,"msg":"An unknown error occurred"}'),
    "html": _status(200, HTML),
    "empty_body": _status(200, b""),
    "busy_code": _status(200, b'{"code":-1001,"msg":"Internal error"}'),
    "refused": _status(400, b'{"code":-1130,"msg":"parameter startTime is invalid."}'),
    "redirect": lambda handler, fault: handler._send(302, b"", {"Location": "http://other.invalid/"}),
    "hang": _hang,
    "reset": _reset,
}
