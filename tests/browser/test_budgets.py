"""What the page weighs and how long it keeps the reader waiting."""

import logging
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Page, Request, expect

from gateway.chat.records import ReportSnapshot
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.simulator import SimulatorOptions
from gateway.dev.voice.long_answers import korean_page
from gateway.web.files import read_files
from tests.browser.stage import STATIC, Stage, stored
from tests.browser.steps import ask
from tests.promises import promised
from tests.running_gateway import RunningGateway, running_gateway

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

logger = logging.getLogger(__name__)

KB = 1024
REQUESTS = 12
FIRST_LOAD, WITH_HIGHLIGHTER = 60 * KB, 95 * KB
CSS, HTML, CLIENT = 8 * KB, 5 * KB, 8 * KB
# The head of an answer that has no body.
NOT_MODIFIED = KB
LONG_TASKS_MS, LONGEST_TASK_MS = 150, 50
DRAWING_MS = 450
# So many times cheaper it is to leave finished blocks of 10 KB alone: by far, whatever else the machine does.
CHEAPER = 3
KEY_TO_PAINT_MS = 50
NODES, HEAP = 8_000, 60 * KB * KB
LARGEST_PAINT_MS, LAYOUT_SHIFT = 1_200, 0.02
# A busy machine makes a page look slower than it is, never faster: the best of these counts.
ATTEMPTS = 3
KEYS = 20

PACED = SimulatorOptions(tokens_per_second=2_500, first_token_seconds=0.1)
# Still writing when the last key has been pressed, a minute later if need be.
SLOW = SimulatorOptions(tokens_per_second=150, first_token_seconds=0.1)
OBSERVE = """
    window.seen = { longtask: [], 'layout-shift': [], event: [], 'largest-contentful-paint': [] };
    for (const type of Object.keys(window.seen)) {
        new PerformanceObserver((list) => window.seen[type].push(...list.getEntries()))
            .observe({ type, buffered: true, durationThreshold: 16 });
    }
"""
DURATIONS = "() => window.seen.longtask.map(({ duration }) => duration)"
KEY_DURATIONS = """() => window.seen.event.filter(({ name }) => name === 'keydown')
    .map(({ duration }) => duration)"""
DRAW = """async ({ source, again }) => {
    const { createAnswer } = await import('/static/js/answer.js');
    const root = document.createElement('div');
    root.className = 'prose';
    document.querySelector('.column').append(root);
    const answer = createAnswer(root);
    let total = 0;
    for (let end = 64; end < source.length + 64; end += 64) {
        if (again) answer.reset();
        const start = performance.now();
        answer.show(source.slice(0, end), false);
        root.getBoundingClientRect();
        total += performance.now() - start;
    }
    root.remove();
    return total;
}"""
SHIFTED = """() => window.seen['layout-shift'].filter((shift) => !shift.hadRecentInput)
    .reduce((sum, { value }) => sum + value, 0)"""


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(
    request: pytest.FixtureRequest, report: ReportSnapshot, postgres: EmbeddedServer
) -> AsyncIterator[RunningGateway]:
    """A gateway whose model writes 20 KB of Korean Markdown in about four seconds."""
    async with running_gateway(
        database=postgres.url,
        options=getattr(request, "param", PACED),
        openai_model="sim-korean-20k",
        openai_max_output_tokens="16000",
        cost_request_usd="0.5",
    ) as gateway:
        yield gateway


async def open_anew(page: Page, gateway: RunningGateway) -> None:
    """Open the page as on a first visit, whatever was asked before."""
    await page.goto(gateway.url)
    await page.evaluate("localStorage.clear()")
    await page.reload()


async def long_tasks(page: Page, gateway: RunningGateway) -> list[float]:
    """Stream 20 KB and return the long tasks it made."""
    await open_anew(page, gateway)
    await ask(page, "길게 답해 줘")
    await expect(page.get_by_test_id("stop")).to_be_visible()
    await page.evaluate("window.seen.longtask = []")
    await expect(page.get_by_test_id("copy")).to_be_visible()
    tasks: list[float] = await page.evaluate(DURATIONS)
    return tasks


def within_budget(tasks: list[float]) -> bool:
    """Return whether long tasks are few and short enough."""
    return sum(tasks) <= promised(LONG_TASKS_MS) and max(tasks, default=0) <= promised(
        LONGEST_TASK_MS
    )


async def weights(requests: list[Request]) -> dict[str, int]:
    """Return the bytes, heads included, that each answer took on the wire, by its path."""
    sizes: dict[str, int] = {}
    for request in requests:
        if not request.url.startswith("data:"):
            size = await request.sizes()
            path = urlsplit(request.url).path
            assert path not in sizes, f"{path} was asked for twice"
            sizes[path] = size["responseHeadersSize"] + size["responseBodySize"]
    return sizes


@pytest.mark.timed
async def test_the_first_load_is_light(gateway: RunningGateway, page: Page) -> None:
    """26: at most 12 requests and 60 KB on the wire; fast, and nothing jumps."""
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))
    await page.add_init_script(OBSERVE)
    await page.goto(gateway.url)
    await expect(page.locator("body")).to_have_attribute("data-state", "online")
    await expect(page.get_by_test_id("suggestion").first).to_be_visible()
    await page.wait_for_load_state("networkidle")
    sizes = await weights(requests)
    logger.info("%s: %s", "requests", len(sizes))
    logger.info("%s: %s", "first load, bytes", sum(sizes.values()))
    assert len(sizes) <= REQUESTS
    assert sum(sizes.values()) <= FIRST_LOAD
    assert sizes["/"] <= HTML
    assert sizes["/static/chat.css"] <= CSS
    paints = await page.evaluate("window.seen['largest-contentful-paint'].map((e) => e.startTime)")
    assert max(paints) <= promised(LARGEST_PAINT_MS)
    assert await page.evaluate(SHIFTED) <= LAYOUT_SHIFT


async def test_the_whole_page_is_light(stage: Stage) -> None:
    """26: with every module of an answer, the highlighter and a language it takes 95 KB on the wire."""
    requests: list[Request] = []
    stage.page.on("request", lambda request: requests.append(request))
    await stage.open()
    await stage.answer("```python\nprint(1)\n```\n\n끝")
    await expect(stage.page.locator(".hl-built_in")).to_be_visible()
    await stage.page.wait_for_load_state("networkidle")
    sizes = await weights(requests)
    logger.info("%s: %s", "with highlighter, bytes", sum(sizes.values()))
    assert any("core.min.js" in path for path in sizes)
    assert sum(sizes.values()) <= WITH_HIGHLIGHTER


async def test_the_client_is_light() -> None:
    """26: what a page of somebody else's loads of ours is at most 8 KB compressed."""
    files = read_files(STATIC)
    client = (files[f"js/{name}.js"] for name in ("client", "connection", "conversation"))
    assert sum(len(file.gzipped.body) for file in client) <= CLIENT


async def test_a_second_visit_fetches_nothing_twice(gateway: RunningGateway, page: Page) -> None:
    """Vendored files are not even asked for again; of the others the gateway says that they are the same."""
    await page.goto(gateway.url)
    await expect(page.get_by_test_id("suggestion").first).to_be_visible()
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))
    await page.goto(gateway.url)
    await expect(page.get_by_test_id("suggestion").first).to_be_visible()
    await page.wait_for_load_state("networkidle")
    sizes = await weights(requests)
    logger.info("%s: %s", "second visit, bytes", sum(sizes.values()))
    files = {path: size for path, size in sizes.items() if not path.startswith("/api/")}
    assert all(size == 0 for path, size in files.items() if "/vendor/" in path)
    assert max(files.values()) <= NOT_MODIFIED


@pytest.mark.timed
async def test_a_long_answer_streams_smoothly(gateway: RunningGateway, page: Page) -> None:
    """26: 20 KB make at most 150 ms of long tasks, none longer than 50 ms."""
    await page.add_init_script(OBSERVE)
    attempts: list[list[float]] = []
    for _ in range(ATTEMPTS):
        attempts.append(await long_tasks(page, gateway))
        if within_budget(attempts[-1]):
            break
    logger.info("long tasks, ms: %s", attempts)
    assert within_budget(attempts[-1])


async def drawing(stage: Stage, source: str, *, again: bool = False) -> float:
    """Return the milliseconds it takes to draw 64 characters at a time, layout included."""
    arguments = {"source": source, "again": again}
    times = [await stage.page.evaluate(DRAW, arguments) for _ in range(ATTEMPTS)]
    logger.info("drawing, ms: %s", times)
    return float(min(times))


async def cheaper(stage: Stage, *, share: float) -> float:
    """Return how many times cheaper an answer that grows is than one drawn anew for each frame."""
    await stage.open()
    source = korean_page()[: round(len(korean_page()) * share)]
    return await drawing(stage, source, again=True) / await drawing(stage, source)


@pytest.mark.timed
async def test_drawing_an_answer_is_cheap(stage: Stage) -> None:
    """26: drawing 20 KB as they come takes at most 450 ms in all."""
    await stage.open()
    assert await drawing(stage, korean_page()) <= promised(DRAWING_MS)


async def test_what_is_drawn_is_left_alone(stage: Stage) -> None:
    """26: what is on the page already is not drawn again."""
    assert await cheaper(stage, share=0.5) >= CHEAPER


async def test_drawing_everything_again_is_found_out(stage: Stage) -> None:
    """26, able to fail: a page that draws the whole answer for every frame is no cheaper than that."""
    await stage.spoil(
        "js/answer.js", {"if (!next.startsWith(source)) clear();": "clear(); source = next;"}
    )
    assert await cheaper(stage, share=0.25) < CHEAPER


@pytest.mark.timed
@pytest.mark.parametrize("gateway", [SLOW], indirect=True, ids=["slow"])
async def test_keys_are_answered_while_streaming(gateway: RunningGateway, page: Page) -> None:
    """26: 95 of 100 keys pressed during an answer are painted within 50 ms."""
    await page.add_init_script(OBSERVE)
    p95s: list[float] = []
    for _ in range(ATTEMPTS):
        await open_anew(page, gateway)
        await ask(page, "길게 답해 줘")
        await expect(page.get_by_test_id("answer")).not_to_be_empty()
        await page.evaluate("window.seen.event = []")
        await page.get_by_test_id("composer").press_sequentially("abcd" * 5, delay=60)
        await expect(page.get_by_test_id("stop")).to_be_visible()
        assert await page.evaluate("performance.eventCounts.get('keydown')") >= KEYS
        slow = sorted(await page.evaluate(KEY_DURATIONS))
        # Keys faster than the observer's threshold are not among them.
        keys = [0.0] * (KEYS - len(slow)) + slow
        p95s.append(keys[round(len(keys) * 0.95) - 1])
        if p95s[-1] <= promised(KEY_TO_PAINT_MS):
            break
    logger.info("%s: %s", "key to paint p95, ms", p95s)
    assert min(p95s) <= promised(KEY_TO_PAINT_MS)


async def test_a_long_conversation_is_not_heavy(stage: Stage) -> None:
    """26: 300 stored messages and 3 more answers: at most 8,000 nodes and 60 MB."""
    text = "**굵게** 쓴 문단입니다.\n\n- 하나\n- 둘\n\n| 구분 | 값 |\n|---|---|\n| 매출 | 1,200 |\n\n끝"
    await stage.open(turns=[stored(number, text=text) for number in range(1, 151)])
    for number in range(3):
        await stage.answer(text, question=f"질문 {number}")
    session = await stage.page.context.new_cdp_session(stage.page)
    await session.send("Performance.enable")
    await session.send("HeapProfiler.collectGarbage")
    answer: dict[str, Any] = await session.send("Performance.getMetrics")
    metrics = {metric["name"]: metric["value"] for metric in answer["metrics"]}
    logger.info("nodes: %s, heap, bytes: %s", metrics["Nodes"], metrics["JSHeapUsedSize"])
    assert metrics["Nodes"] <= NODES
    assert metrics["JSHeapUsedSize"] <= HEAP
