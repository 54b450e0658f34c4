"""Everything without a mouse, and where the focus is."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.stage import INSECURE, Stage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TABS = 60
OUTLINE = "e => getComputedStyle(e).outlineStyle"
# How far the focused element reaches below the top of the composer.
COVERED = """e => e.getBoundingClientRect().bottom
    - document.querySelector('.dock').getBoundingClientRect().top"""


async def tab_to(page: Page, target: Locator, *, backwards: bool = False) -> None:
    """Press Tab until `target` has the focus."""
    for _ in range(TABS):
        if await target.evaluate("e => e === document.activeElement"):
            return
        await page.keyboard.press("Shift+Tab" if backwards else "Tab")
    pytest.fail(f"{target} is out of the keyboard's reach")


async def test_ask_and_stop(stage: Stage) -> None:
    """24: the question, Send and Stop are reached with Tab, and Stop leaves the focus in the box."""
    await stage.open()
    box = stage.page.get_by_test_id("composer")
    await tab_to(stage.page, box)
    await stage.page.keyboard.type("질문")
    await tab_to(stage.page, stage.page.get_by_test_id("send"))
    await stage.page.keyboard.press("Enter")
    message = await stage.heard("message")
    await expect(box).to_be_focused()
    await stage.send(
        {"type": "accepted", "id": message["id"], "turn_id": message["id"], "duplicate": False}
    )
    await tab_to(stage.page, stage.page.get_by_test_id("stop"))
    await stage.page.keyboard.press("Enter")
    assert (await stage.heard("cancel"))["turn_id"] == message["id"]


@pytest.mark.parametrize("action", ["copy", "regenerate", "copy-code"])
async def test_an_answers_actions(stage: Stage, action: str) -> None:
    """24: each action is reached with Tab, shows its focus, and is not under the composer."""
    await stage.open()
    await stage.answer("긴 문단입니다.\n\n" * 40 + "```js\nlet a;\n```\n")
    button = stage.page.get_by_test_id(action)
    await tab_to(stage.page, button, backwards=True)
    assert await button.evaluate(OUTLINE) == "solid"
    assert await button.evaluate(COVERED) <= 0
    await stage.page.keyboard.press("Enter")
    if action == "regenerate":
        await stage.heard("message", count=2)


async def test_retry(stage: Stage) -> None:
    """24: Retry is reached with Tab and asks again."""
    await stage.open()
    answering = await stage.ask("질문")
    await answering.fail("stalled", "응답 지연", retryable=True)
    await tab_to(stage.page, stage.page.get_by_test_id("retry"), backwards=True)
    await stage.page.keyboard.press("Space")
    await stage.heard("message", count=2)


async def test_jump(stage: Stage) -> None:
    """24: Home scrolls up, the jump button comes back down and the focus goes to the box."""
    await stage.open()
    await stage.answer("긴 문단입니다.\n\n" * 60)
    await tab_to(stage.page, stage.page.locator("#viewport"), backwards=True)
    await stage.page.keyboard.press("Home")
    jump = stage.page.get_by_test_id("jump")
    await expect(jump).to_be_visible()
    await stage.page.get_by_test_id("composer").focus()
    await tab_to(stage.page, jump, backwards=True)
    await stage.page.keyboard.press("Enter")
    await expect(jump).to_be_hidden()
    await expect(stage.page.get_by_test_id("composer")).to_be_focused()


async def test_help(stage: Stage) -> None:
    """24: Ctrl+/ opens the help, Escape closes it without stopping the answer."""
    await stage.open()
    await stage.ask("질문")
    await stage.page.keyboard.press("Control+/")
    await expect(stage.page.get_by_test_id("help")).to_be_visible()
    await expect(stage.page.get_by_test_id("close-help")).to_be_focused()
    await stage.page.keyboard.press("Escape")
    await expect(stage.page.get_by_test_id("help")).to_be_hidden()
    assert stage.said("cancel") == []
    await stage.page.keyboard.press("Escape")
    await stage.heard("cancel")


async def test_the_menu(stage: Stage) -> None:
    """24: the menu opens, closes with Escape and gives the focus back."""
    await stage.open()
    more = stage.page.get_by_test_id("more")
    await more.focus()
    await stage.page.keyboard.press("Enter")
    await expect(stage.page.get_by_test_id("export-md")).to_be_visible()
    await stage.page.keyboard.press("Escape")
    await expect(stage.page.get_by_test_id("export-md")).to_be_hidden()
    await expect(more).to_be_focused()


async def test_closing_the_menu_stops_no_answer(stage: Stage) -> None:
    """Escape closes the open menu and nothing else; only the next one stops the answer."""
    await stage.open()
    await stage.ask("질문")
    await stage.page.get_by_test_id("more").click()
    await expect(stage.page.get_by_test_id("export-md")).to_be_visible()
    await stage.page.keyboard.press("Escape")
    await expect(stage.page.get_by_test_id("export-md")).to_be_hidden()
    assert stage.said("cancel") == []
    await stage.page.keyboard.press("Escape")
    await stage.heard("cancel")


async def test_copying_the_last_answer(stage: Stage) -> None:
    """24: Ctrl+Shift+C copies it, says so, and shows it where a click would."""
    await stage.open()
    await stage.answer("첫 답변")
    await stage.answer("둘째 답변")
    await stage.page.keyboard.press("Control+Shift+C")
    await expect(stage.page.get_by_role("status")).to_have_text("복사됨")
    await expect(stage.page.get_by_test_id("copy")).to_have_text(["복사", "복사됨"])


async def test_copying_that_fails(stage: Stage) -> None:
    """24: Ctrl+Shift+C that copies nothing says that too."""
    await stage.spoil("js/clipboard.js", {"document.execCommand('copy')": "false"})
    await stage.open(host=INSECURE)
    await stage.answer("답변")
    await stage.page.keyboard.press("Control+Shift+C")
    await expect(stage.page.get_by_role("status")).to_have_text("복사하지 못함")
    await expect(stage.page.get_by_test_id("copy")).to_have_text("복사하지 못함")


async def test_reconnecting(stage: Stage) -> None:
    """24: the button that is gone once the connection is back leaves the focus in the box."""
    await stage.page.add_init_script("Math.random = () => 0.99")
    await stage.page.clock.install()
    await stage.open()
    await stage.lose()
    await stage.page.get_by_test_id("reconnect").focus()
    stage.refusing = False
    await stage.page.keyboard.press("Enter")
    await stage.online()
    await expect(stage.page.get_by_test_id("composer")).to_be_focused()
