"""The page on a stage: its files are served as ever, the other end of its WebSocket is the test."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from aiohttp import web
from playwright.async_api import Page, Route, WebSocketRoute, expect

from gateway.serve import listening
from gateway.web.pages import HEADERS, add_pages
from tests.promises import GUARD_SECONDS

STATIC = Path(__file__).parents[2] / "static"
# Browsers trust localhost as if it were https; of any other name the clipboard is kept away.
SECURE = "page.localhost"
INSECURE = "page.example"
# Longer than an outage, or a tab that is not seen, is let pass without a word.
OUTAGE = 1_300
TWO_FRAMES = """() => new Promise((done) => {
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50)));
})"""
Frame = dict[str, Any]
BUDGET: Frame = {"request_usd": "0.05", "session_usd": "1.00", "session_spent_usd": "0.0021"}
REPORT: Frame = {
    "id": "spring",
    "locale": "ko",
    "headline": "봄 분기 실적: 매출 12% 증가",
    "summary": "매출은 1,200억 원으로 12% 늘었다.",
    "figures": "| 구분 | 금액 |\n|---|---|\n| 매출 | 1,200 |",
    "created_at": "2026-11-01T09:00:00Z",
}
READY: Frame = {
    "type": "ready",
    "session": "token",
    "session_id": "8f14e45f-ceea-467f-9575-6f8a2a6e0c01",
    "report": {name: REPORT[name] for name in ("id", "headline", "summary")},
    "model": "sim-plain",
    "simulated": True,
    "key_configured": True,
    "limits": {
        "message_chars": 8000,
        "frame_bytes": 65536,
        "turn_seconds": 120,
        "history_messages": 20,
    },
    "budget": BUDGET | {"session_spent_usd": "0"},
    "suggestions": ["요약해 줘", "영업이익은 왜 줄었어?"],
    "turns": [],
    "active_turn": None,
}


def done(turn_id: str, to: int, **other: object) -> Frame:
    """Return the `done` of a turn."""
    return {
        "type": "done",
        "turn_id": turn_id,
        "to": to,
        "finish_reason": "stop",
        "usage": {
            "input_tokens": 1204,
            "cached_tokens": 0,
            "output_tokens": 312,
            "reasoning_tokens": 0,
        },
        "cost_usd": "0.0021",
        "cost_source": "reported",
        "model": "sim-plain",
        "ttft_ms": 812,
        "total_ms": 4218,
        "shortened": False,
        "budget": BUDGET,
        "trace_id": "0" * 32,
    } | other


def stored(number: int, *, text: str = "답변입니다.") -> Frame:
    """Return a turn as `ready` lists it."""
    turn_id = str(uuid4())
    return {
        "turn_id": turn_id,
        "id": str(uuid4()),
        "n": number,
        "question": f"{number}번째 질문",
        "text": text,
        "to": 1,
        "state": "answered",
        "asked_at": "2026-11-20T08:30:00Z",
        "end": done(turn_id, 1),
    }


@asynccontextmanager
async def house() -> AsyncIterator[int]:
    """Serve the page's files and its reports, under the gateway's headers, and yield the port."""

    async def reports(_request: web.Request) -> web.Response:
        return web.json_response([REPORT])

    app = web.Application()
    add_pages(app, static=STATIC)
    app.router.add_get("/api/reports", reports)
    async with listening(app, host="127.0.0.1", port=0) as port:
        yield port


class Answering:
    """A question that reached the server, and the frames that answer it."""

    def __init__(self, stage: "Stage", message: Frame) -> None:
        self._stage = stage
        self.id = message["id"]
        self.turn_id = str(uuid4())
        self.to = 0

    async def accept(self, **other: object) -> Self:
        """Take the question."""
        frame = {"type": "accepted", "id": self.id, "turn_id": self.turn_id, "duplicate": False}
        await self._stage.send(frame | other)
        return self

    async def write(self, *pieces: str) -> Self:
        """Send each piece as a delta."""
        for piece in pieces:
            self.to += 1
            await self._stage.send(
                {
                    "type": "delta",
                    "turn_id": self.turn_id,
                    "from": self.to - 1,
                    "to": self.to,
                    "text": piece,
                }
            )
        return self

    async def taken(self) -> None:
        """Wait until the page has taken what was written: it asks for what a gap shows to be missing."""
        resumes = len(self._stage.said("resume"))
        gap = {"from": self.to + 1, "to": self.to + 2, "text": ""}
        await self._stage.send({"type": "delta", "turn_id": self.turn_id} | gap)
        await self._stage.heard("resume", count=resumes + 1)

    async def end(self, **other: object) -> None:
        """End the turn well."""
        await self._stage.send(done(self.turn_id, self.to, **other))

    async def fail(self, code: str, message: str, **other: object) -> None:
        """End the turn badly."""
        frame = {"type": "error", "scope": "turn", "code": code, "message": message, "to": self.to}
        known = {"id": self.id, "turn_id": self.turn_id, "retryable": False, "trace_id": "0" * 32}
        await self._stage.send(frame | known | {"budget": BUDGET} | other)


class Stage:
    """Opens the page, greets it, and keeps what it says."""

    def __init__(self, page: Page, *, port: int) -> None:
        self.page = page
        self.port = port
        self.ready = READY
        # Whether a connection is closed again at once.
        self.refusing = False
        # The connection that a firewall has forgotten: what is said there is answered by nobody.
        self.forgotten: WebSocketRoute | None = None
        self.requests: list[str] = []
        self.sockets: list[WebSocketRoute] = []
        self.received: list[Frame] = []
        self._tasks: list[asyncio.Future[None]] = []
        self._news = asyncio.Condition()

    async def spoil(self, path: str, replacements: dict[str, str]) -> None:
        """Serve a file of the page with some code replaced: a check has to notice when its guard is gone."""
        source = (STATIC / path).read_text("utf-8")
        for guard, instead in replacements.items():
            assert guard in source, f"{path} has no {guard!r}"
            source = source.replace(guard, instead)

        async def serve(route: Route) -> None:
            kind = "text/css" if path.endswith(".css") else "text/javascript"
            await route.fulfill(body=source, headers=HEADERS, content_type=f"{kind}; charset=utf-8")

        await self.page.route(f"**/static/{path}", serve)

    def url(self, host: str = SECURE) -> str:
        """Return the origin of the page under one of its names."""
        return f"http://{host}:{self.port}"

    async def open(self, *, host: str = SECURE, **ready: object) -> Self:
        """Open the page and wait until it is online."""
        await self.arrive(self.url(host), **ready)
        await self.online()
        return self

    async def arrive(self, address: str, /, **ready: object) -> None:
        """Open the page, whatever becomes of it."""
        self.ready = READY | ready
        self.page.on("request", lambda request: self.requests.append(request.url))
        await self.page.route_web_socket("**/ws", self._connect)
        await self.page.goto(address)

    async def online(self) -> None:
        """Wait until the page is connected."""
        await expect(self.page.locator("body")).to_have_attribute("data-state", "online")

    async def lose(self) -> None:
        """Cut the connection and let nobody back in until the reader has been told; needs a clock."""
        self.refusing = True
        await self.sockets[-1].close(code=1012)
        await expect(self.page.locator("body")).to_have_attribute("data-state", "reconnecting")
        await self.page.clock.run_for(OUTAGE)

    async def send(self, frame: Frame) -> None:
        """Send a frame to the page."""
        self.sockets[-1].send(json.dumps(frame))

    def said(self, kind: str) -> list[Frame]:
        """Return the frames of a type that the page has sent."""
        return [frame for frame in self.received if frame["type"] == kind]

    async def heard(self, kind: str, *, count: int = 1) -> Frame:
        """Wait for the page's `count`-th frame of a type and return it."""
        async with asyncio.timeout(GUARD_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self.said(kind)) >= count)
        return self.said(kind)[count - 1]

    async def ask(self, text: str) -> Answering:
        """Type a question, send it with Enter, and take it on the server."""
        count = len(self.said("message")) + 1
        await self.page.get_by_test_id("composer").fill(text)
        await self.page.get_by_test_id("composer").press("Enter")
        return await Answering(self, await self.heard("message", count=count)).accept()

    async def answer(self, text: str, *, question: str = "질문") -> Answering:
        """Have a question answered with `text` in one piece, and wait until the page shows the end."""
        answering = await self.ask(question)
        await answering.write(text)
        await answering.end()
        await self.drawn()
        await expect(self.page.get_by_role("article").last).to_have_attribute("aria-busy", "false")
        return answering

    async def drawn(self) -> None:
        """Wait until the page has drawn, and scrolled to, what it was sent."""
        await self.page.evaluate(TWO_FRAMES)

    def _connect(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        if self.refusing:
            self._tasks.append(asyncio.ensure_future(socket.close(code=1013)))
            return
        socket.on_message(
            lambda data: self._tasks.append(asyncio.ensure_future(self._receive(socket, data)))
        )

    async def _receive(self, socket: WebSocketRoute, data: str | bytes) -> None:
        frame = json.loads(data)
        async with self._news:
            self.received.append(frame)
            self._news.notify_all()
        if socket is self.forgotten:
            return
        if frame["type"] == "hello":
            socket.send(json.dumps(self.ready))
        elif frame["type"] == "ping":
            socket.send(json.dumps({"type": "pong"}))
