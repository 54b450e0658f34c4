"""An input method, played through the browser's debugger: the events a Korean or Japanese keyboard makes."""

from typing import Self

from playwright.async_api import CDPSession, Page

# What a browser reports for a key the input method is still busy with.
PROCESSING = 229
ENTER = 13


class InputMethod:
    """Composes, commits and presses Enter, in the order a test wants."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session

    @classmethod
    async def of(cls, page: Page) -> Self:
        """Return the input method of `page`."""
        return cls(await page.context.new_cdp_session(page))

    async def compose(self, *steps: str) -> None:
        """Let the text being composed go through `steps`."""
        for text in steps:
            await self._session.send(
                "Input.imeSetComposition",
                {"text": text, "selectionStart": len(text), "selectionEnd": len(text)},
            )

    async def commit(self, text: str) -> None:
        """End the composition with `text`."""
        await self._session.send("Input.insertText", {"text": text})

    async def enter(self, *, code: int = ENTER, key: str = "Enter", shift: bool = False) -> None:
        """Press Enter as the input method (229) or as a plain key (13)."""
        event = {
            "key": key,
            "code": "Enter",
            "windowsVirtualKeyCode": code,
            "modifiers": 8 if shift else 0,
        }
        plain = {"type": "keyDown", "text": "\r"} if code == ENTER else {"type": "rawKeyDown"}
        await self._session.send("Input.dispatchKeyEvent", event | plain)
        await self._session.send("Input.dispatchKeyEvent", event | {"type": "keyUp"})
