"""What the tests of the page do again and again."""

from playwright.async_api import Page, expect

# What the simulator's long answer in Korean begins with.
FIRST_SECTION = "1. 요약해 줘"


async def ask(page: Page, text: str) -> None:
    """Type a question once the page is connected, and send it with Enter."""
    await expect(page.locator("body")).to_have_attribute("data-state", "online")
    await page.get_by_test_id("composer").fill(text)
    await page.get_by_test_id("composer").press("Enter")
