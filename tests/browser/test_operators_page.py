"""The operator's page: figures, charts, the last turns, and one turn step by step."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import BrowserContext, Page, expect

from gateway.chat.records import ReportSnapshot
from gateway.dev.embedded_server import EmbeddedServer
from gateway.serve import listening
from gateway.web.pages import OPERATORS, add_pages
from tests.browser.stage import STATIC
from tests.browser.test_accessibility import violations
from tests.chat_client import ChatClient
from tests.running_gateway import running_gateway

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

REFRESH_MS = 3_000
FIGURES: dict[str, Any] = {
    "at": "2026-11-20T08:30:00Z",
    "version": "0.1.0",
    "status": "ok",
    "connections": {"websocket": 12, "sse": 1},
    "turns_running": 3,
    "answers_pending": 0,
    "day": {
        "day": "2026-11-20",
        "spent_usd": "12.50",
        "reserved_usd": "0.04",
        "cap_usd": "50.00",
    },
    "first_chunk": {"turns": 40, "p50_ms": 420, "p95_ms": 900, "p99_ms": 1400},
    "outcomes": {"ok": 39, "idle_timeout": 1},
    "errors": {"stalled": 1, "busy": 4},
}


def a_turn(number: int, **changes: object) -> dict[str, Any]:
    """Return a turn as /traces has it; the second of three requests was answered."""
    return {
        "turn_id": f"8f14e45f-ceea-467f-9575-{number:012d}",
        "trace_id": f"{number:032x}",
        "model": "sim-plain",
        "ended_at": f"2026-11-20T08:30:{number:02d}Z",
        "accepted_ms": 4,
        "recalled_ms": 6,
        "context": "cache",
        "reserved_ms": 11,
        "reserved_usd": "0.01",
        "attempts": [
            {"span_id": "b7ad6b7169203331", "model": "sim-plain", "began_ms": 11, "result": "5xx"},
            {"span_id": "b7ad6b7169203332", "model": "sim-plain", "began_ms": 520, "result": "ok"},
        ],
        "retries": 1,
        "first_chunk_ms": 900,
        "last_chunk_ms": 2100,
        "worst_gap_ms": 80,
        "ended_ms": 2105,
        "outcome": "ok",
        "code": None,
        "saved_ms": 2110,
        "pieces": 53,
        "usage": {
            "input_tokens": 1204,
            "cached_tokens": 0,
            "output_tokens": 312,
            "reasoning_tokens": 0,
        },
        "cost_usd": "0.0021",
        "cost_source": "reported",
    } | changes


STALLED = {"outcome": "idle_timeout", "code": "stalled", "cost_source": "estimated"}


@dataclass
class Listener:
    """An ops listener that says what the test wants it to say."""

    port: int = 0
    figures: dict[str, Any] = field(default_factory=lambda: FIGURES)
    turns: list[dict[str, Any]] = field(
        default_factory=lambda: [a_turn(3), a_turn(2, **STALLED), a_turn(1)]
    )
    asked: int = 0
    down: bool = False

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    async def say_figures(self, _request: web.Request) -> web.Response:
        """Return the figures."""
        self.asked += 1
        if self.down:
            raise web.HTTPServiceUnavailable
        return web.json_response(self.figures)

    async def say_turns(self, _request: web.Request) -> web.Response:
        """Return the last turns."""
        return web.json_response(self.turns)

    async def say_turn(self, request: web.Request) -> web.Response:
        """Return the turns of a trace."""
        wanted = request.match_info["trace_id"]
        found = [turn for turn in self.turns if turn["trace_id"] == wanted]
        return web.json_response(found, status=200 if found else 404)


@pytest_asyncio.fixture(loop_scope="session")
async def listener() -> AsyncIterator[Listener]:
    """An ops listener with three turns."""
    listener = Listener()
    app = web.Application()
    app.router.add_get("/figures", listener.say_figures)
    app.router.add_get("/traces", listener.say_turns)
    app.router.add_get("/traces/{trace_id}", listener.say_turn)
    add_pages(app, static=STATIC, index=OPERATORS)
    async with listening(app, host="127.0.0.1", port=0) as listener.port:
        yield listener


async def look(page: Page, listener: Listener, *, at: str = "") -> None:
    """Open the page, on a clock that the test winds, and wait for its first look."""
    await page.clock.install()
    await page.goto(f"{listener.url}{at}")
    await expect(page.get_by_test_id("turns-running")).to_have_text("3")


async def test_the_figures(page: Page, listener: Listener) -> None:
    """What runs, who is connected, how long the first word takes and what was spent stand at the top."""
    await look(page, listener)
    await expect(page.get_by_test_id("status")).to_have_text("정상")
    await expect(page.get_by_test_id("connections")).to_have_text("13")
    await expect(page.get_by_test_id("first-chunk")).to_have_text("420 ms")
    await expect(page.get_by_test_id("spent")).to_have_text("$12.50")
    await expect(page.locator("#spent-rest")).to_have_text("예약 $0.04 · 한도 $50.00")


async def test_the_charts_can_be_read(page: Page, listener: Listener) -> None:
    """Each chart says in words what it shows; errors stand by their codes, the most frequent first."""
    await look(page, listener)
    chart = page.get_by_test_id("first-chunk-chart").get_by_role("img")
    await expect(chart).to_have_accessible_name(
        "최근 답변의 첫 글자까지 걸린 시간: 100개 중 50개가 420 ms 이내, 100개 중 95개가 900 ms 이내, "
        "100개 중 99개가 1.4초 이내"
    )
    await expect(chart.locator("rect")).to_have_count(3)
    await expect(chart.locator("[data-tone=bad]")).to_have_count(1)
    codes = page.get_by_test_id("errors").locator("code")
    await expect(codes).to_have_text(["busy", "stalled"])


async def test_it_is_looked_at_again(page: Page, listener: Listener) -> None:
    """Every three seconds the page shows what is so then."""
    await look(page, listener)
    listener.figures = FIGURES | {"turns_running": 7, "day": None}
    listener.turns = [a_turn(4), *listener.turns]
    await page.clock.run_for(REFRESH_MS)
    await expect(page.get_by_test_id("turns-running")).to_have_text("7")
    await expect(page.get_by_test_id("turns").get_by_role("row")).to_have_count(4)
    await expect(page.locator("#spent-rest")).to_have_text("데이터베이스가 응답하지 않습니다.")


async def test_a_refresh_takes_no_focus(page: Page, listener: Listener) -> None:
    """Whoever is at a turn with the keyboard is still there after a refresh."""
    await look(page, listener)
    link = page.get_by_test_id("turns").get_by_role("link").nth(1)
    await link.focus()
    listener.figures = FIGURES | {"turns_running": 7}
    listener.turns = [a_turn(4), *listener.turns]
    await page.clock.run_for(REFRESH_MS)
    await expect(page.get_by_test_id("turns-running")).to_have_text("7")
    await expect(page.get_by_test_id("turns").get_by_role("link").nth(2)).to_be_focused()


async def test_it_can_be_paused(page: Page, listener: Listener) -> None:
    """A page that is paused asks for nothing until it is to go on."""
    await look(page, listener)
    pause = page.get_by_test_id("pause")
    await pause.click()
    await expect(page.get_by_test_id("status")).to_have_text("일시정지됨")
    asked = listener.asked
    await page.clock.run_for(3 * REFRESH_MS)
    assert listener.asked == asked
    await pause.click()
    await expect(page.get_by_test_id("status")).to_have_text("정상")
    assert listener.asked > asked


async def test_one_turn_by_the_keyboard(page: Page, listener: Listener) -> None:
    """Enter on a trace id shows its turn, from the stored question to the stored end."""
    await look(page, listener)
    link = page.get_by_test_id("turns").get_by_role("link").last
    await link.press("Enter")
    turn = page.get_by_test_id("one-turn")
    await expect(turn.get_by_role("rowheader")).to_have_text(
        [
            *("질문 저장", "맥락 불러오기", "비용 예약"),
            *("모델 요청 1 (5xx)", "모델 요청 2 (ok)"),
            *("답변 53조각", "마무리", "결과 저장"),
        ]
    )
    took = turn.locator("td.number")
    await expect(took).to_have_text(
        ["4 ms", "2 ms", "5 ms", "509 ms", "380 ms", "1.2초", "5 ms", "5 ms"]
    )
    await expect(page.locator("#trace-title")).to_be_focused()
    await expect(page.get_by_test_id("turns").locator("[aria-current]")).to_have_count(1)


async def test_a_turn_by_its_address(page: Page, listener: Listener) -> None:
    """The address names the turn, so it can be passed on; a failed one says why."""
    await look(page, listener, at=f"#{2:032x}")
    turn = page.get_by_test_id("one-turn")
    await expect(turn).to_contain_text("중간에 멈춤")
    await expect(turn).to_contain_text("stalled")
    await expect(turn).to_contain_text("$0.0021 (추정)")


async def test_a_trace_nobody_knows(context: BrowserContext, listener: Listener) -> None:
    """An id that is typed is looked up; one that is not known is said to be none."""
    # Its console tells of the 404.
    page = await context.new_page()
    await look(page, listener)
    await page.get_by_test_id("trace-id").fill(f" {1:032x} ")
    await page.get_by_test_id("trace-id").press("Enter")
    await expect(page.get_by_test_id("one-turn")).to_be_visible()
    await page.get_by_test_id("trace-id").fill("none")
    await page.get_by_test_id("trace-id").press("Enter")
    await expect(page.get_by_test_id("trace")).to_contain_text("기록에 없습니다")


async def test_a_process_that_does_not_answer(context: BrowserContext, listener: Listener) -> None:
    """Without an answer the last figures stay, and it is said that nobody answers."""
    page = await context.new_page()
    await look(page, listener)
    listener.down = True
    await page.clock.run_for(REFRESH_MS)
    await expect(page.get_by_test_id("status")).to_have_text("응답 없음")
    await expect(page.get_by_test_id("turns-running")).to_have_text("3")
    listener.down = False
    await page.clock.run_for(REFRESH_MS)
    await expect(page.get_by_test_id("status")).to_have_text("정상")


async def test_in_english(page: Page, listener: Listener) -> None:
    """The other language is one button away and is remembered."""
    await look(page, listener)
    await page.get_by_test_id("locale").click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.get_by_test_id("turns")).to_contain_text("Silent midway")
    await page.reload()
    await expect(page.get_by_test_id("status")).to_have_text("Ok")


async def test_nobody_has_asked_yet(page: Page, listener: Listener) -> None:
    """A process that has just started says that there is nothing yet."""
    empty: dict[str, Any] = {"first_chunk": None, "outcomes": {}, "errors": {}}
    listener.figures, listener.turns = FIGURES | empty, []
    await look(page, listener)
    await expect(page.locator("#no-turns")).to_be_visible()
    await expect(page.get_by_test_id("errors")).to_have_text("오류가 없습니다.")
    assert await violations(page) == []


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("locale", ["ko-KR", "en-GB"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(
    page: Page,
    listener: Listener,
    scheme: Literal["light", "dark"],
    locale: str,
    width: int,
) -> None:
    """Every look of the page is for everyone, and none is wider than its window."""
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 800})
    await page.add_init_script(f"localStorage.setItem('chatgw.locale', '{locale[:2]}')")
    await look(page, listener, at=f"#{2:032x}")
    await expect(page.get_by_test_id("one-turn")).to_be_visible()
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_a_real_turn(page: Page, report: ReportSnapshot, postgres: EmbeddedServer) -> None:
    """A question that was answered is on the page, with its steps."""
    async with running_gateway(database=postgres.url) as gateway:
        async with ChatClient.connect(gateway.url, report_id=report.id) as client:
            done = (await client.ask("요약해 줘"))[-1]
        await page.goto(f"{gateway.ops_url}/#{done['trace_id']}")
        await expect(page.get_by_test_id("turns").get_by_role("row")).to_have_count(1)
        await expect(page.get_by_test_id("one-turn")).to_contain_text(done["trace_id"])
        await expect(page.get_by_test_id("one-turn").get_by_role("row")).to_have_count(8)
        await page.goto("about:blank")
