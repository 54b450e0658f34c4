"""An answer that is stopped, reloaded, or loses its connection, against a whole gateway."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
import pytest_asyncio
from playwright.async_api import Page, WebSocketRoute, expect

from gateway.chat.records import ReportSnapshot
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.voice.long_answers import LongModel, long_answer
from tests.browser.steps import FIRST_SECTION, ask
from tests.hurry import Pace
from tests.promises import GUARD_SECONDS, promised
from tests.running_gateway import RunningGateway, running_gateway, shared_tokenizer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Between two tries to connect the page pauses up to half a second, at random.
AT_ONCE = "Math.random = () => 0"
ROOM = {"openai_max_output_tokens": "16000", "cost_request_usd": "0.5"}


@pytest.fixture
def pace() -> Pace:
    """How fast the model writes."""
    return Pace()


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


async def begin(page: Page, gateway: RunningGateway) -> None:
    """Open the page, ask, and wait until some of the answer is there."""
    await page.goto(gateway.url)
    await ask(page, "길게 답해 줘")
    section = page.get_by_test_id("answer").locator("[data-depth='2']").first
    await expect(section).to_have_text(FIRST_SECTION)


async def until(true: Callable[[], bool], *, seconds: float = GUARD_SECONDS) -> None:
    """Wait until something outside of the page is so."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - the simulator and Playwright tell nobody
            await asyncio.sleep(0.02)


def reconnected(sockets: list[WebSocketRoute], *, after: int) -> bool:
    """Return whether there are more connections than `after`."""
    return len(sockets) > after


def written(gateway: RunningGateway) -> str:
    """Return what the model wrote, in its one call."""
    (request,) = gateway.upstream.requests
    return long_answer(request.messages, count=shared_tokenizer().count)


async def whole_text(page: Page) -> str:
    """Return the Markdown of the answer once it has ended, as the export has it."""
    await expect(page.get_by_test_id("copy")).to_be_visible()
    await page.get_by_test_id("more").click()
    async with page.expect_download() as download:
        await page.get_by_test_id("export-json").click()
    (turn,) = json.loads((await (await download.value).path()).read_text("utf-8"))["turns"]
    return str(turn["answer"])


@pytest.mark.timed
async def test_stop_keeps_what_there_is(gateway: RunningGateway, page: Page) -> None:
    """11: Stop ends the upstream call within a second, keeps the text, says so and alarms nobody."""
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(str(data))))
    await begin(page, gateway)
    await page.get_by_test_id("composer").press("Escape")
    await expect(page.get_by_test_id("note")).to_have_text("중지됨")
    (request,) = gateway.upstream.requests
    await until(lambda: request.closed_early, seconds=promised(1))
    assert any('"cancel"' in frame for frame in sent)
    await expect(page.get_by_test_id("answer")).to_contain_text(FIRST_SECTION)
    await expect(page.get_by_role("alert").filter(visible=True)).to_have_count(0)
    await expect(page.get_by_test_id("send")).to_be_visible()
    await expect(page.get_by_test_id("composer")).to_be_focused()


async def test_a_reload_loses_and_repeats_nothing(
    gateway: RunningGateway, pace: Pace, page: Page
) -> None:
    """12: after a reload the same answer goes on, and its text is what the model wrote."""
    await begin(page, gateway)
    await page.reload()
    await expect(page.get_by_test_id("stop")).to_be_visible()
    pace.hurry()
    assert await whole_text(page) == written(gateway)


async def test_stop_works_after_a_reload(gateway: RunningGateway, page: Page) -> None:
    """12: a resumed answer can be stopped."""
    await begin(page, gateway)
    await page.reload()
    await page.get_by_test_id("stop").click()
    await expect(page.get_by_test_id("note")).to_have_text("중지됨")


async def test_a_broken_connection_costs_nothing(
    gateway: RunningGateway, pace: Pace, page: Page
) -> None:
    """13: three cuts in the middle leave one answer with the exact text, from one call."""
    sockets: list[WebSocketRoute] = []

    def connect(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    await page.route_web_socket("**/ws", connect)
    await page.add_init_script(AT_ONCE)
    await begin(page, gateway)
    for cut in range(1, 4):
        await sockets[-1].close(code=1012)
        await until(partial(reconnected, sockets, after=cut))
        await expect(page.locator("body")).to_have_attribute("data-state", "online")
    pace.hurry()
    assert await whole_text(page) == written(gateway)
    await expect(page.get_by_test_id("question")).to_have_count(1)
    await expect(page.get_by_test_id("banner")).to_be_hidden()


async def test_the_same_question_twice_is_one_call(
    gateway: RunningGateway, pace: Pace, page: Page
) -> None:
    """14: a question sent again under its id, as after an outage, is not asked twice upstream."""

    def twice(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def forward(data: str | bytes) -> None:
            server.send(data)
            if '"message"' in str(data):
                server.send(data)

        socket.on_message(forward)

    await page.route_web_socket("**/ws", twice)
    await begin(page, gateway)
    pace.hurry()
    assert await whole_text(page) == written(gateway)
    await expect(page.get_by_test_id("question")).to_have_count(1)
