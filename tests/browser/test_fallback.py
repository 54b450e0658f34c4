"""16: a network that lets no WebSocket through; the page works over HTTP instead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import hdrs, web
from playwright.async_api import BrowserContext, Page, expect

from gateway.chat.records import ReportSnapshot
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.voice.long_answers import LongModel
from gateway.serve import listening
from tests.browser.stage import Stage
from tests.browser.steps import FIRST_SECTION, ask
from tests.browser.test_running_answers import AT_ONCE, ROOM, pace, until, whole_text, written
from tests.hurry import Pace
from tests.promises import promised
from tests.running_gateway import RunningGateway, running_gateway

__all__ = ["pace"]
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Two sockets that fail, the pause between them and the first greeting over HTTP.
FALLEN_WITHIN_MS = 6_000
GIVEN_UP_MS = 4_000
HOP_BY_HOP = {"transfer-encoding", "connection", "keep-alive"}
KEPT = "chatgw.http-until"
KEPT_UNTIL = f"Number(sessionStorage.getItem('{KEPT}'))"
PARSE = """async (pieces) => {
    const { createEventParser } = await import('/static/js/eventstream.js');
    const take = createEventParser();
    return pieces.flatMap((piece) => take(piece));
}"""


@dataclass
class Proxy:
    """What a company puts between its people and the world; `calls` are what went through it."""

    upstream: str
    port: int = 0
    websockets: bool = False
    down: bool = False
    sockets: int = 0
    calls: list[str] = field(default_factory=list)
    streams: list[asyncio.BaseTransport | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return where the page is, seen through the proxy."""
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Refuse upgrades, and pass on everything else as it comes."""
        if request.path == "/ws":
            self.sockets += 1
            return await self._upgrade(request)
        self.calls.append(f"{request.method} {request.path}")
        if self.down and request.path.startswith("/api/"):
            raise web.HTTPBadGateway
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method,
                self.upstream + request.raw_path,
                headers=request.headers,
                data=await request.read(),
            ) as answer,
        ):
            headers = [(k, v) for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP]
            response = web.StreamResponse(status=answer.status)
            response.headers.extend(headers)
            await response.prepare(request)
            if answer.content_type == "text/event-stream":
                self.streams.append(request.transport)
            try:
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
            except ConnectionError:
                pass
            return response

    async def _upgrade(self, request: web.Request) -> web.StreamResponse:
        if not self.websockets:
            raise web.HTTPForbidden
        socket = web.WebSocketResponse(protocols=("chatgw.v1",))
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket


@asynccontextmanager
async def proxy_of(upstream: str) -> AsyncIterator[Proxy]:
    """Run a proxy in front of `upstream`."""
    proxy = Proxy(upstream)
    app = web.Application()
    app.router.add_route(hdrs.METH_ANY, "/{path:.*}", proxy.handle)
    async with listening(app, host="127.0.0.1", port=0) as port:
        proxy.port = port
        yield proxy


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(
    pace: Pace, report: ReportSnapshot, postgres: EmbeddedServer, redis: EmbeddedServer
) -> AsyncIterator[RunningGateway]:
    """A gateway whose model writes much Markdown, slowly enough to interrupt it."""
    async with running_gateway(
        database=postgres.url,
        redis=redis.url,
        options=pace,
        openai_model=LongModel.LONG,
        **ROOM,
    ) as gateway:
        yield gateway


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(gateway: RunningGateway) -> AsyncIterator[Proxy]:
    """A proxy in front of the gateway."""
    async with proxy_of(gateway.url) as proxy:
        yield proxy


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    """A page that may complain: of each refused socket the browser itself writes to the console."""
    page = await context.new_page()
    await page.add_init_script(AT_ONCE)
    return page


async def fall(page: Page, proxy: Proxy) -> None:
    """Open the page and wait until it is online nevertheless."""
    await page.goto(proxy.url)
    body = page.locator("body")
    await expect(body).to_have_attribute("data-state", "online", timeout=promised(FALLEN_WITHIN_MS))


async def begin(page: Page, proxy: Proxy) -> None:
    """Fall back, ask, and wait until some of the answer is there."""
    await fall(page, proxy)
    await ask(page, "길게 답해 줘")
    section = page.get_by_test_id("answer").locator("[data-depth='2']").first
    await expect(section).to_have_text(FIRST_SECTION)


async def test_a_question_is_answered_over_http(
    gateway: RunningGateway, pace: Pace, proxy: Proxy, page: Page
) -> None:
    """16: the answer comes as it is written, and its text is what the model wrote."""
    await begin(page, proxy)
    await expect(page.get_by_test_id("stop")).to_be_visible()
    pace.hurry()
    assert await whole_text(page) == written(gateway)
    assert proxy.calls.count("POST /api/messages") == 1


async def test_a_reload_loses_and_repeats_nothing(
    gateway: RunningGateway, pace: Pace, proxy: Proxy, page: Page
) -> None:
    """16: after a reload the same answer goes on over HTTP, without a new try of a WebSocket."""
    await begin(page, proxy)
    sockets = proxy.sockets
    await page.reload()
    await expect(page.get_by_test_id("stop")).to_be_visible()
    pace.hurry()
    assert await whole_text(page) == written(gateway)
    assert any(call.endswith("/events") for call in proxy.calls)
    assert proxy.sockets == sockets


@pytest.mark.timed
async def test_stop_works_over_http(gateway: RunningGateway, proxy: Proxy, page: Page) -> None:
    """16: Stop ends the upstream call within a second and keeps the text."""
    await begin(page, proxy)
    await page.get_by_test_id("stop").click()
    await expect(page.get_by_test_id("note")).to_have_text("중지됨")
    (request,) = gateway.upstream.requests
    await until(lambda: request.closed_early, seconds=promised(1))
    await expect(page.get_by_test_id("answer")).to_contain_text(FIRST_SECTION)


async def test_a_cut_stream_costs_nothing(
    gateway: RunningGateway, pace: Pace, proxy: Proxy, page: Page
) -> None:
    """16: a stream cut in the middle is taken up where it ended, from one call upstream."""
    await begin(page, proxy)
    stream = proxy.streams[-1]
    assert stream is not None
    stream.close()
    await until(lambda: any(call.endswith("/events") for call in proxy.calls))
    pace.hurry()
    assert await whole_text(page) == written(gateway)


async def test_a_socket_without_a_greeting_is_given_up(proxy: Proxy, page: Page) -> None:
    """16: where the upgrade works and frames do not, HTTP is used after four seconds."""
    proxy.websockets = True
    await page.clock.install(time=0)
    await page.clock.pause_at(1)
    await page.goto(proxy.url)
    await until(lambda: proxy.sockets == 1)
    await page.clock.run_for(GIVEN_UP_MS - 1)
    assert "POST /api/sessions" not in proxy.calls
    await page.clock.run_for(1)
    await until(lambda: "POST /api/sessions" in proxy.calls)
    await page.clock.resume()
    await expect(page.locator("body")).to_have_attribute("data-state", "online")


async def test_a_server_that_is_down_is_waited_for(
    report: ReportSnapshot, proxy: Proxy, page: Page
) -> None:
    """16: a server that answers nothing at all is no reason to give up on WebSockets."""
    proxy.down = True
    # Named, since no list says which is the newest.
    await page.goto(f"{proxy.url}/?report={report.id}")
    await until(lambda: proxy.sockets >= 3)
    assert await page.evaluate(KEPT_UNTIL) == 0
    assert "POST /api/sessions" not in proxy.calls


async def test_a_websocket_is_tried_again(proxy: Proxy, page: Page) -> None:
    """16: ten minutes later the page tries a WebSocket, without losing what it has when that fails."""
    await page.clock.install()
    await page.goto(proxy.url)
    for _ in range(12):
        await page.clock.run_for(500)
        await asyncio.sleep(0.1)
    await expect(page.locator("body")).to_have_attribute("data-state", "online")
    sockets, kept = proxy.sockets, await page.evaluate(KEPT_UNTIL)
    await page.clock.fast_forward(11 * 60_000)
    await until(lambda: proxy.sockets == sockets + 1)
    await page.wait_for_function(f"{KEPT_UNTIL} > {kept}")
    await expect(page.locator("body")).to_have_attribute("data-state", "online")


async def test_a_websocket_that_works_again_is_used(
    gateway: RunningGateway, pace: Pace, page: Page
) -> None:
    """16: when the try succeeds the page goes back to its WebSocket, in the middle of an answer too."""
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(str(data))))
    await page.add_init_script(f"sessionStorage.setItem('{KEPT}', Date.now() + 3_000)")
    await page.goto(gateway.url)
    await ask(page, "길게 답해 줘")
    await until(lambda: '"resume"' in "".join(sent))
    pace.hurry()
    assert await whole_text(page) == written(gateway)
    assert [kind for kind in ("hello", "resume", "message") if f'"{kind}"' in "".join(sent)] == [
        "hello",
        "resume",
    ]


async def test_a_refusal_is_told(proxy: Proxy, page: Page) -> None:
    """16: a problem is the error it would have been, and the question comes back."""
    await fall(page, proxy)
    problem = (
        '{"title": "이전 답변이 진행 중입니다.", "status": 409, "code": "busy", "retryable": true}'
    )
    await page.route(
        "**/api/messages",
        lambda route: route.fulfill(
            status=409, content_type="application/problem+json", body=problem
        ),
    )
    await ask(page, "질문")
    await expect(page.get_by_test_id("composer-error")).to_have_text("이전 답변이 진행 중입니다.")
    await expect(page.get_by_test_id("composer")).to_have_value("질문")


@pytest.mark.parametrize(
    "stream",
    [
        "data: 하나\n\ndata: 둘\n\n",
        "data: 하나\r\n\r\ndata: 둘\r\n\r\n",
        ": …\n\nid: 1\ndata:하나\n\ndata: 둘\n\n",
    ],
    ids=["lf", "crlf", "comment"],
)
async def test_events_are_read_wherever_they_are_cut(stage: Stage, stream: str) -> None:
    """16: the same events come out of every way to cut the text in two, and of single characters."""
    await stage.open()
    cuts = [[stream[:at], stream[at:]] for at in range(len(stream))] + [list(stream)]
    for pieces in cuts:
        assert await stage.page.evaluate(PARSE, pieces) == ["하나", "둘"]
