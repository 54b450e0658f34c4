"""A gateway that has no room for one more: the page waits for its turn."""

import pytest
from playwright.async_api import BrowserContext, expect

from gateway.chat.records import ReportSnapshot
from gateway.dev.embedded_server import EmbeddedServer
from tests.browser.steps import ask
from tests.browser.test_fallback import KEPT_UNTIL
from tests.chat_client import ChatClient
from tests.running_gateway import running_gateway

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_full_gateway_is_waited_for(
    context: BrowserContext, report: ReportSnapshot, postgres: EmbeddedServer
) -> None:
    """A refused socket is tried again, not given up for HTTP, and works once somebody has left."""
    # The browser itself writes of each refused socket to the console.
    page = await context.new_page()
    async with running_gateway(database=postgres.url, server_max_connections_per_ip="1") as gateway:
        async with ChatClient.connect(gateway.url):
            async with page.expect_response(
                lambda response: response.url.endswith("/ws") and response.status == 429
            ):
                await page.goto(gateway.url)
            await expect(page.locator("body")).to_have_attribute("data-state", "reconnecting")
        await ask(page, "요약해 줘")
        await expect(page.get_by_test_id("answer")).not_to_be_empty()
        assert await page.evaluate(KEPT_UNTIL) == 0
