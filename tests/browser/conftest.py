"""Chromium, and a gateway for it to look at."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from gateway.backends.store import PostgresStore
from gateway.chat.records import ReportSnapshot
from tests.browser.stage import INSECURE, Stage, house
from tests.integration.conftest import database, postgres, redis, servers_folder, store
from tests.promises import GUARD_SECONDS

__all__ = ["database", "postgres", "redis", "servers_folder", "store"]

# Playwright's five seconds are for machines with nothing else to do.
expect.set_options(timeout=1000 * GUARD_SECONDS)
# Without these Chromium calls home, and is refused, many times a second.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # A name that browsers do not trust as they trust localhost.
    f"--host-resolver-rules=MAP {INSECURE} 127.0.0.1",
)
# The first without a window to draw, which takes less than half of the processor for the same pages.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
REPORT = ReportSnapshot(
    id="spring",
    locale="ko",
    headline="봄 분기 실적: 매출 12% 증가",
    summary="매출은 1,200억 원으로 12% 늘었다. 영업이익은 90억 원으로 3% 줄었다.",
    figures="| 구분 | 금액 |\n|---|---|\n| 매출 | 1,200 |\n| 영업이익 | 90 |",
    suggestions=("요약해 줘", "영업이익은 왜 줄었어?"),
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, once for all; its absence is a failure in CI, a skip elsewhere."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A fresh profile of a reader in Korea."""
    context = await browser.new_context(locale="ko-KR")
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A page that must not complain: any error on its console fails the test."""
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    yield page
    assert complaints == []


@pytest.fixture
async def report(store: PostgresStore) -> ReportSnapshot:
    """A report in the store."""
    await store.import_reports([REPORT])
    return REPORT


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def port() -> AsyncIterator[int]:
    """Where the files of the page are served."""
    async with house() as port:
        yield port


@pytest.fixture
def stage(page: Page, port: int) -> Stage:
    """A page whose server the test plays."""
    return Stage(page, port=port)
