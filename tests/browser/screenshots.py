"""Make the screenshots of the documents: `python -m tests.browser.screenshots`."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright, expect

from gateway.backends.migrations import migrate
from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.commands import SAMPLE_REPORTS, read_reports
from gateway.dev.embedded import embedded_postgres
from gateway.resources import migrations_folder
from tests.browser.conftest import ARGUMENTS
from tests.running_gateway import running_gateway

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SHOTS = {
    "chat-ko": ("ko-KR", "light", 1280, "saesol-2026q3", "영업이익은 왜 줄었어?"),
    "chat-en-dark": ("en-GB", "dark", 1280, "rail-punctuality-2026q3", "What changed, and why?"),
    "chat-narrow": ("ko-KR", "light", 390, "battery-exports-2026q3", "핵심만 요약해 줘"),
}


async def shoot(browser: Browser, url: str, name: str) -> None:
    """Ask one question on a fresh page and take its picture."""
    locale, scheme, width, report, question = SHOTS[name]
    context = await browser.new_context(
        locale=locale,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 800},
        device_scale_factor=1.5,
    )
    page = await context.new_page()
    await page.goto(f"{url}/?report={report}")
    await page.get_by_test_id("composer").fill(question)
    await page.get_by_test_id("composer").press("Enter")
    await expect(page.get_by_test_id("answer").last).not_to_be_empty()
    await expect(page.get_by_test_id("send")).to_be_visible()
    await page.screenshot(path=IMAGES / f"{name}.png")
    await context.close()


async def main() -> None:
    """Run everything the pictures need, and take them."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    folder = Path(tempfile.mkdtemp(prefix="gateway-screenshots-"))
    IMAGES.mkdir(parents=True, exist_ok=True)
    async with embedded_postgres(folder) as url:
        database = Database(url)
        await migrate(database, folder=migrations_folder())
        await PostgresStore(database).import_reports(read_reports(SAMPLE_REPORTS))
        await database.close()
        async with running_gateway(database=url) as gateway, async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=executable, args=list(ARGUMENTS)
            )
            for name in SHOTS:
                await shoot(browser, gateway.url, name)
            await browser.close()
    shutil.rmtree(folder)


if __name__ == "__main__":
    asyncio.run(main())
