"""The reader's own look at the way to the server: measured in the browser, told in words."""

import json
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, WebSocketRoute, expect

from gateway.chat.records import ReportSnapshot
from gateway.dev.embedded_server import EmbeddedServer
from gateway.selftest import Arrival, judge
from tests.browser.stage import Stage
from tests.running_gateway import RunningGateway, running_gateway

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SEED = 20261101
JUDGE = """async (cases) => {
    const { judge } = await import('/static/js/selftest.js');
    return cases.map(([arrivals, of]) => judge(arrivals, of));
}"""
NOBODY = """async (locale) => {
    const { inWords } = await import('/static/js/selftest.js');
    return inWords({ socket: 'blocked', events: 'blocked', roundTrip: null }, locale);
}"""
FULL = NOBODY.replace("events: 'blocked', roundTrip: null", "events: 'busy', roundTrip: 3")
# Python says it to operators, the page names it for itself.
NAMES = {"cut off": "cut"}


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(
    report: ReportSnapshot, postgres: EmbeddedServer
) -> AsyncIterator[RunningGateway]:
    """A gateway."""
    async with running_gateway(database=postgres.url) as gateway:
        yield gateway


async def block(socket: WebSocketRoute) -> None:
    """Close a WebSocket before anything came."""
    await socket.close()


async def check(page: Page, gateway: RunningGateway) -> None:
    """Open the help and ask for a look."""
    await page.goto(gateway.url)
    await expect(page.locator("body")).to_have_attribute("data-state", "online")
    await page.get_by_test_id("more").click()
    await page.get_by_test_id("open-help").click()
    await page.get_by_test_id("check-path").click()


def case(chance: random.Random) -> tuple[list[Arrival], int]:
    """Return pieces that came through a network, or a proxy, that nobody has thought of."""
    spread, came = chance.choice((20, 60, 200, 800)), 0.0
    arrivals = []
    for n in range(chance.choice((0, 3, 10, 10, 10, 10))):
        came = max(came, n * 100 + chance.uniform(0, spread))
        arrivals.append(Arrival(n * 100, came))
    return arrivals, 10


async def test_the_page_judges_as_the_command_does(stage: Stage) -> None:
    """Of the same timings the page and `gateway selftest` make the same."""
    chance = random.Random(SEED)
    cases = [case(chance) for _ in range(500)]
    ours = [judge(arrivals, of=of).value for arrivals, of in cases]
    assert len(set(ours)) == 4, "every verdict is among them"

    await stage.open()
    sent = [[[{"sent": a.sent_ms, "came": a.came_ms} for a in c], of] for c, of in cases]
    assert await stage.page.evaluate(JUDGE, sent) == [NAMES.get(each, each) for each in ours]


async def test_all_is_well(gateway: RunningGateway, page: Page) -> None:
    """With nothing in between, that is said; the module is loaded only then."""
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    await page.goto(gateway.url)
    await expect(page.locator("body")).to_have_attribute("data-state", "online")
    assert not any("selftest" in url for url in requests)

    await check(page, gateway)
    await expect(page.get_by_test_id("path")).to_contain_text("WebSocket: 정상 · SSE: 정상 · 왕복")
    await expect(page.get_by_test_id("path")).to_contain_text("막거나 늦추는 것이 없습니다.")


async def test_in_english(gateway: RunningGateway, page: Page) -> None:
    """It speaks the reader's language."""
    await page.add_init_script("localStorage.setItem('chatgw.locale', 'en')")
    await check(page, gateway)
    await expect(page.get_by_test_id("path")).to_contain_text(
        "Nothing in between blocks or delays answers."
    )


async def test_websockets_are_blocked(gateway: RunningGateway, page: Page) -> None:
    """A proxy that lets no WebSocket through is told, and that the chat works all the same."""
    await page.route_web_socket("**/selftest/ws", block)
    await check(page, gateway)
    await expect(page.get_by_test_id("path")).to_contain_text("WebSocket: 차단됨 · SSE: 정상")
    await expect(page.get_by_test_id("path")).to_contain_text("HTTP로 연결합니다.")


async def test_events_are_held_back(gateway: RunningGateway, page: Page) -> None:
    """Where events come all at once, that is told."""
    pieces = [{"n": n, "of": 10, "sent_ms": (n - 1) * 100} for n in range(1, 11)]
    body = "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces)
    await page.route_web_socket("**/selftest/ws", block)
    await page.route(
        "**/selftest/events",
        lambda route: route.fulfill(body=body, content_type="text/event-stream"),
    )
    await check(page, gateway)
    await expect(page.get_by_test_id("path")).to_contain_text("SSE: 지연됨")
    await expect(page.get_by_test_id("path")).to_contain_text("모았다가 전달합니다.")


async def test_it_is_offered_when_the_connection_is_lost(stage: Stage) -> None:
    """The banner of an outage offers the look, which tells when nothing gets through."""
    await stage.open()
    await stage.page.route("**/health", lambda route: route.fulfill(body="{}"))
    await stage.page.route("**/selftest/events", lambda route: route.fulfill(body=""))
    await stage.page.route_web_socket("**/selftest/ws", block)
    stage.refusing = True
    await stage.sockets[-1].close(code=1012)
    await stage.page.get_by_test_id("diagnose").click()
    await expect(stage.page.get_by_test_id("help")).to_be_visible()
    await expect(stage.page.get_by_test_id("path")).to_contain_text("SSE: 차단됨")
    await expect(stage.page.get_by_test_id("path")).to_contain_text("답변을 막고 있습니다.")


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("ko", "서버에 연결할 수 없습니다. 네트워크를 확인해 주세요."),
        ("en", "The server cannot be reached. Check your network."),
    ],
)
async def test_nobody_answers(stage: Stage, locale: str, words: str) -> None:
    """A server that is away is told from a proxy that is in the way."""
    await stage.open()
    assert await stage.page.evaluate(NOBODY, locale) == words


async def test_no_room(stage: Stage) -> None:
    """Where the server itself has no room, no proxy is accused."""
    await stage.open()
    words: str = await stage.page.evaluate(FULL, "ko")
    assert words.endswith("지금은 연결이 너무 많습니다. 잠시 후 다시 시도해 주세요.")
