"""Web sockets of the exchanges of the tests: what venues answer to a subscription, and ways to lose a connection."""

import asyncio
import contextlib
import json
import threading
import time

from aiohttp import WSMsgType, web
from loopback.page import Page
from loopback.server import HANDLERS
from loopback.truth import World

HOSTS = (
    *("fstream.binance.com", "dstream.binance.com", "stream.bybit.com", "ws.okx.com"),
    *("www.deribit.com", "api.hyperliquid.xyz"),  # which serve REST and web sockets alike
)


class Sockets:
    """The server, in a thread of its own; use as a context.

    Attributes
    ----------
    opened : int
        Connections so far.
    asked : list of str
        Topics in the order of their subscriptions.
    refusing : bool
        Whether new connections are turned away.
    deaf : bool
        Whether nothing is read or answered any more, pings included, while connections stay open.
    """

    def __init__(self):
        self.opened = 0
        self.asked = []
        self.refusing = False
        self.deaf = False
        self._topics = {}
        self._answers = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._do(self._begin())
        return self

    def __exit__(self, *_):
        self.drop()
        self._do(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def bases(self):
        """Return the redirections that lead here."""
        return {host: f"http://127.0.0.1:{self._port}/{host}" for host in HOSTS}

    def listens(self, *topics):
        """Tell whether every topic has a subscriber."""
        held = {topic for topics in self._topics.values() for topic in topics}
        return set(topics) <= held

    def send(self, topic, message):
        """Send a message to all subscribers of a topic."""
        self._do(self._send(topic, json.dumps(message)))

    def read(self):
        """Return when everybody has read what was sent to them before."""
        self._do(self._read())

    def drop(self):
        """Cut all connections, without a word."""
        self._do(self._drop())

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _begin(self):
        application = web.Application()
        application.router.add_route("*", "/{host}/{path:.*}", self._request)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def _send(self, topic, text):
        for socket, topics in list(self._topics.items()):
            if topic in topics:
                with contextlib.suppress(ConnectionError):  # it has gone meanwhile
                    await socket.send_str(text)

    async def _read(self):
        self._answers = {}
        for socket in list(self._topics):
            self._answers[socket] = asyncio.Event()
            await socket.ping(b"read")
        for answered in self._answers.values():
            await answered.wait()

    async def _drop(self):
        for socket in list(self._topics):
            if socket._req.transport is not None:
                socket._req.transport.abort()
        self._topics = {}

    async def _request(self, request):
        if "Upgrade" in request.headers:
            return await self._connection(request)
        params = dict(request.query) | (await request.json() if request.can_read_body else {})
        found = HANDLERS[request.match_info["host"]](World(), f"/{request.match_info['path']}", params)
        return web.json_response(found.body(found.rows) if isinstance(found, Page) else found)

    async def _connection(self, request):
        if self.refusing:
            return web.Response(status=503)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.opened += 1
        self._topics[socket] = set()
        answer = _ANSWERS[request.match_info["host"].split(".")[-2]]
        async for message in socket:
            while self.deaf and socket in self._topics:
                await asyncio.sleep(0.01)
            if socket not in self._topics:
                break
            if message.type == WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type == WSMsgType.PONG and socket in self._answers:
                self._answers[socket].set()
            elif message.type == WSMsgType.TEXT:
                if message.data == "ping":
                    await socket.send_str("pong")
                    continue
                asked, reply = answer(json.loads(message.data))
                await socket.send_str(json.dumps(reply))
                self._topics[socket].update(asked)
                self.asked += asked
        self._topics.pop(socket, None)
        return socket


def until(condition, what="what was waited for"):
    """Wait for something that another thread does."""
    for _ in range(2_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(f"{what} did not happen")


def _binance(message):
    return message["params"], {"result": None, "id": message["id"]}


def _bybit(message):
    if message["op"] == "ping":
        return [], {"success": True, "ret_msg": "pong", "conn_id": "1", "req_id": "", "op": "ping"}
    reply = {"success": True, "ret_msg": "", "conn_id": "1", "req_id": message.get("req_id", ""), "op": "subscribe"}
    return message["args"], reply


def _okx(message):
    topics = [f"{each['channel']}:{each.get('instId', each.get('instType'))}" for each in message["args"]]
    return topics, {"event": "subscribe", "arg": message["args"][0], "connId": "a4d3ae55"}


def _hyperliquid(message):
    if message["method"] == "ping":
        return [], {"channel": "pong"}
    body = message["subscription"]
    return [f"{body['type']}:{body['coin']}"], {"channel": "subscriptionResponse", "data": message}


def _deribit(message):
    topics = message["params"]["channels"]
    return topics, {"jsonrpc": "2.0", "id": message["id"], "result": topics, "usIn": 1, "usOut": 2, "usDiff": 1}


_ANSWERS = {"binance": _binance, "bybit": _bybit, "okx": _okx, "deribit": _deribit, "hyperliquid": _hyperliquid}
