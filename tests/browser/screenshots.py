"""Make the screenshots of the documents: `python -m tests.browser.screenshots`."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, Page, WebSocketRoute, async_playwright, expect

from gateway.backends.migrations import migrate
from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.commands import SAMPLE_REPORTS, read_reports
from gateway.dev.embedded import embedded_postgres
from gateway.dev.faults import Fault
from gateway.dev.simulator import SimulatorOptions
from gateway.resources import migrations_folder
from tests.browser.conftest import ARGUMENTS, BROWSERS
from tests.browser.steps import ask
from tests.chat_client import ChatClient, Frame
from tests.integration.money import faults
from tests.running_gateway import RunningGateway, running_gateway

IMAGES = Path(__file__).parents[2] / "docs" / "images"


async def _nothing(page: Page) -> None:
    """Take the page as it is."""


async def _open_facts(page: Page) -> None:
    await page.locator(".facts summary").last.click()


async def _scroll_to_code(page: Page) -> None:
    await page.locator("figure").first.evaluate("figure => figure.scrollIntoView({block: 'end'})")
    await expect(page.locator(".hl-keyword").first).to_be_visible()


async def _lose_connection(page: Page) -> None:
    await page.evaluate("window.loseConnection()")
    await expect(page.get_by_test_id("banner")).to_be_visible()


@dataclass(frozen=True)
class Shot:
    """A picture: who looks, at which report, what is asked of which model, and what is done then."""

    report: str
    question: str
    locale: str = "ko-KR"
    dark: bool = False
    width: int = 1280
    settings: dict[str, str] = field(default_factory=dict)
    then: Callable[[Page], Awaitable[None]] = _nothing


LONG = {
    "openai_model": "sim-korean-20k",
    "openai_max_output_tokens": "16000",
    "cost_request_usd": "0.5",
}
SHOTS = {
    "chat-ko": Shot("saesol-2026q3", "영업이익은 왜 줄었어?"),
    "chat-en-dark": Shot(
        "rail-punctuality-2026q3", "What changed, and why?", locale="en-GB", dark=True
    ),
    "chat-narrow": Shot("battery-exports-2026q3", "핵심만 요약해 줘", width=390),
    "chat-markdown": Shot(
        "saesol-2026q3", "지역별로 정리해 줘", settings=LONG, then=_scroll_to_code
    ),
    "chat-error": Shot(
        "saesol-2026q3", "영업이익은 왜 줄었어?", settings={"openai_model": "sim-eof"}
    ),
    "chat-reconnecting": Shot("saesol-2026q3", "위험 요인은 뭐야?", then=_lose_connection),
    "chat-details": Shot("saesol-2026q3", "수치를 보여 줘", then=_open_facts),
}


QUESTIONS = ("What changed, and why?", "Summarise it.", "Which line is the worst?")
WALKING = SimulatorOptions(tokens_per_second=60, first_token_seconds=0.4)
PATIENT = {"limits_first_chunk_seconds": "2", "limits_stall_seconds": "1", "cost_day_usd": "0.05"}
READERS, WATCHED_MS = 16, 24_000


class Line:
    """The page's connection, which a picture may want cut."""

    def __init__(self) -> None:
        self._socket: WebSocketRoute | None = None
        self._cut = False

    async def connect(self, socket: WebSocketRoute) -> None:
        """Let a connection through, unless the line is cut."""
        if self._cut:
            await socket.close(code=1013)
            return
        self._socket = socket
        socket.connect_to_server()

    async def cut(self) -> None:
        """Cut the line for good."""
        self._cut = True
        if self._socket is not None:
            await self._socket.close(code=1012)


async def shoot(browser: Browser, url: str, name: str, shot: Shot) -> None:
    """Ask one question on a fresh page and take its picture."""
    context = await browser.new_context(
        locale=shot.locale,
        color_scheme="dark" if shot.dark else "light",
        viewport={"width": shot.width, "height": 800},
        device_scale_factor=1.5,
    )
    page = await context.new_page()
    line = Line()
    await page.expose_function("loseConnection", line.cut)
    await page.route_web_socket("**/ws", line.connect)
    await page.goto(f"{url}/?report={shot.report}")
    await ask(page, shot.question)
    await expect(page.get_by_role("article").last).to_have_attribute("aria-busy", "false")
    await shot.then(page)
    await page.screenshot(path=IMAGES / f"{name}.png")
    await context.close()


async def shoot_operators(browser: Browser, gateway: RunningGateway) -> None:
    """Have some questions answered, well and badly, and take a picture of what operators see."""
    async with faults(gateway, Fault.SERVER_ERROR_ONCE, times=1):
        retried = await talk(gateway, QUESTIONS[0])
    context = await browser.new_context(
        locale="en-GB", viewport={"width": 1280, "height": 800}, device_scale_factor=1.5
    )
    page = await context.new_page()
    await page.goto(f"{gateway.ops_url}/#{retried['trace_id']}")
    readers = [visit(gateway, number) for number in range(READERS)]
    asking = asyncio.gather(*readers, fail(gateway))
    await page.wait_for_timeout(WATCHED_MS)
    await page.screenshot(path=IMAGES / "operators.png", full_page=True)
    await asking
    await context.close()


async def visit(gateway: RunningGateway, number: int) -> None:
    """Come at some time or other, and ask some questions."""
    await asyncio.sleep(number * number % 20)
    for question in QUESTIONS[: 1 + number % 3] * 2:
        await talk(gateway, question)


async def fail(gateway: RunningGateway) -> None:
    """Ask questions that are not answered well."""
    for fault in (Fault.STALL, Fault.EOF, Fault.STALL, Fault.HANG):
        async with faults(gateway, fault, times=1):
            await talk(gateway, QUESTIONS[0])


async def talk(gateway: RunningGateway, question: str) -> Frame:
    """Ask one question and return the frame that ends its turn."""
    async with ChatClient.connect(gateway.url, report_id="rail-punctuality-2026q3") as client:
        return (await client.ask(question))[-1]


async def main() -> None:
    """Run everything the pictures need, and take them."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    folder = Path(tempfile.mkdtemp(prefix="gateway-screenshots-"))
    IMAGES.mkdir(parents=True, exist_ok=True)
    async with embedded_postgres(folder) as url, async_playwright() as playwright:
        database = Database(url)
        await migrate(database, folder=migrations_folder())
        await PostgresStore(database).import_reports(read_reports(SAMPLE_REPORTS))
        await database.close()
        browser = await playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        async with running_gateway(database=url, options=WALKING, **PATIENT) as gateway:
            await shoot_operators(browser, gateway)
        for name, shot in SHOTS.items():
            async with running_gateway(database=url, **shot.settings) as gateway:  # type: ignore[arg-type]
                await shoot(browser, gateway.url, name, shot)
        await browser.close()
    shutil.rmtree(folder)


if __name__ == "__main__":
    asyncio.run(main())
