"""Korean and English, changed without losing anything."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.stage import Stage, stored

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

WORDS = """() => [
    ...Array.from(document.querySelectorAll('[data-text]'), (e) => [e.dataset.text, e.textContent]),
    ...Array.from(document.querySelectorAll('[data-label]'), (e) => [e.dataset.label, e.ariaLabel]),
    ...Array.from(document.querySelectorAll('[data-placeholder]'), (e) => ['placeholder', e.placeholder]),
]"""
HANGUL = re.compile("[가-힣]")
# Words of another language may make a line more or less.
NEAR = 64


async def test_every_word_changes(stage: Stage) -> None:
    """28: no text is missing in either language, and none is left in the other."""
    await stage.open()
    await stage.answer("```js\n1\n```")
    korean = dict(await stage.page.evaluate(WORDS))
    assert all(HANGUL.search(text) for name, text in korean.items() if "otherLocale" not in name)
    await stage.page.get_by_test_id("locale").click()
    await expect(stage.page.locator("html")).to_have_attribute("lang", "en")
    await expect(stage.page.get_by_test_id("copy")).to_have_text("Copy")
    english = dict(await stage.page.evaluate(WORDS))
    assert english.keys() == korean.keys()
    assert all(english.values())
    assert [n for n, text in english.items() if HANGUL.search(text)] == [
        "otherLocale",
        "otherLocaleShort",
    ]
    assert await stage.page.title() == "Report Chat"


async def test_the_conversation_stays(stage: Stage) -> None:
    """28: the exchange on the page is the same element, and the server is told the new language."""
    await stage.open()
    await stage.answer("답변")
    question = stage.page.get_by_test_id("question")
    await question.evaluate("e => { window.kept = e; }")
    await stage.page.get_by_test_id("locale").click()
    hello = await stage.heard("hello", count=2)
    assert (hello["locale"], hello["session"]) == ("en", "token")
    await stage.online()
    assert await question.evaluate("e => e === window.kept")
    await expect(stage.page.get_by_test_id("regenerate")).to_have_text("Regenerate")


async def test_the_reader_stays_where_they_read(stage: Stage) -> None:
    """28: who has scrolled up is not thrown to the end."""
    await stage.open(turns=[stored(1, text="긴 문단입니다.\n\n" * 80)])
    viewport = stage.page.locator("#viewport")
    await viewport.hover()
    await stage.page.mouse.wheel(0, -1_500)
    await expect(stage.page.get_by_test_id("jump")).to_be_visible()
    await stage.drawn()
    top = await viewport.evaluate("v => v.scrollTop")
    await stage.page.get_by_test_id("locale").click()
    await stage.heard("hello", count=2)
    await stage.online()
    await stage.drawn()
    assert abs(await viewport.evaluate("v => v.scrollTop") - top) <= NEAR
