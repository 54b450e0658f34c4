"""A reader at the page in Chromium: asks, and notes what the page says."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import msgspec
from playwright.async_api import Browser, Page, WebSocket, expect

# Longer than every deadline of the rehearsal together.
END_MS = 30_000
USUAL = ("작성 중…", "Writing…")
# Every line of status below an answer, each once, in the order in which they came.
NOTES = """
    window.notes = [];
    document.addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
        for (const note of document.querySelectorAll('[data-testid=note]')) {
            const text = note.textContent;
            if (text && window.notes.at(-1) !== text) window.notes.push(text);
        }
    }).observe(document.body, { childList: true, characterData: true, subtree: true }));
"""


class Seen(msgspec.Struct, frozen=True):
    """What the page said of one question: status, the error or "", and whether it can be tried again."""

    notes: list[str]
    error: str
    retry: bool
    trace_id: str


def is_news(note: str) -> bool:
    """Return whether a line of status tells of trouble: neither that all is well nor that all is over."""
    return note.endswith("…") and note not in USUAL


class Reader:
    """Somebody who reads the page in one language."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._ends: list[dict[str, Any]] = []
        page.on("websocket", self._listen)

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, *, browser: Browser, locale: str) -> AsyncIterator[Self]:
        """Open the page."""
        context = await browser.new_context(locale=locale)
        page = await context.new_page()
        await page.add_init_script(NOTES)
        reader = cls(page)
        await page.goto(url)
        await reader.online()
        yield reader
        await context.close()

    async def online(self) -> None:
        """Wait until the page is connected."""
        body = self.page.locator("body")
        await expect(body).to_have_attribute("data-state", "online", timeout=END_MS)

    async def begin(self) -> None:
        """Begin a new conversation."""
        await self.page.get_by_test_id("new-conversation").click()
        await expect(self.page.get_by_test_id("question")).to_have_count(0)
        await self.online()

    async def ask(self, text: str) -> Seen:
        """Ask, and return what the page says until the turn has ended."""
        await self.page.evaluate("window.notes = []")
        count = len(self._ends)
        await self.page.get_by_test_id("composer").fill(text)
        await self.page.get_by_test_id("composer").press("Enter")
        return await self._until_end(count)

    async def try_again(self) -> Seen:
        """Press the button that the error offers."""
        count = len(self._ends)
        await self.page.get_by_test_id("retry").last.click()
        return await self._until_end(count)

    async def _until_end(self, count: int) -> Seen:
        while len(self._ends) == count:
            await self.page.wait_for_timeout(50)
        article = self.page.get_by_role("article").last
        await expect(article).to_have_attribute("aria-busy", "false")
        error = article.get_by_test_id("turn-error")
        return Seen(
            notes=[note for note in await self.page.evaluate("window.notes") if is_news(note)],
            error=await error.locator("p").inner_text() if await error.is_visible() else "",
            retry=await article.get_by_test_id("retry").is_visible(),
            trace_id=self._ends[-1]["trace_id"],
        )

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._receive)

    def _receive(self, data: str | bytes) -> None:
        frame = json.loads(data)
        if frame["type"] == "done" or (frame["type"] == "error" and frame["scope"] != "session"):
            self._ends.append(frame)
