"""Enter while a syllable is composed: it sends in Korean, and only picks a candidate in Japanese."""

import pytest
from playwright.async_api import expect

from tests.browser.input_method import PROCESSING, InputMethod
from tests.browser.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Longer than any wait in the guard, so that a second question would be seen.
SETTLED = 1_300
# Has the page look whether its connection lives.
LOOK = "window.dispatchEvent(new Event('online'))"


async def focused(stage: Stage) -> InputMethod:
    """Open the page, on a clock that can be wound on, and return the keyboard of its question."""
    await stage.page.clock.install()
    await stage.open()
    await stage.page.get_by_test_id("composer").focus()
    return await InputMethod.of(stage.page)


async def typed(stage: Stage) -> InputMethod:
    """Type 안녕하세요, its last syllable still being composed."""
    keyboard = await focused(stage)
    for syllable in ("안", "녕", "하", "세"):
        await keyboard.compose("ㅇ", syllable)
        await keyboard.commit(syllable)
    await keyboard.compose("ㅇ", "요")
    return keyboard


async def questions(stage: Stage) -> list[str]:
    """Return what was asked once nothing more can come."""
    await stage.page.clock.run_for(SETTLED)
    pings = len(stage.said("ping"))
    await stage.page.evaluate(LOOK)
    # What the page says comes in order: whatever it asked has been heard before this.
    await stage.heard("ping", count=pings + 1)
    return [message["text"] for message in stage.said("message")]


async def press_mac(keyboard: InputMethod) -> None:
    """Enter as macOS reports it: 229, the commit, and the same key once more."""
    await keyboard.enter(code=PROCESSING)
    await keyboard.commit("요")
    await keyboard.enter()


async def test_korean_enter_sends_once(stage: Stage) -> None:
    """1: 안녕하세요, 229, commit, Enter: one question, the whole text, an empty box."""
    await press_mac(await typed(stage))
    assert await questions(stage) == ["안녕하세요"]
    await expect(stage.page.get_by_test_id("composer")).to_have_value("")


async def test_without_the_guard_korean_enter_breaks(stage: Stage) -> None:
    """1, able to fail: a page that sends at any Enter does not send this text once and whole."""
    await stage.spoil(
        "js/composer.js", {"if (!forInputMethod)": "if (true)", "if (!composing) send": "send"}
    )
    await press_mac(await typed(stage))
    text = await questions(stage)
    left = await stage.page.get_by_test_id("composer").input_value()
    assert (text, left) != (["안녕하세요"], "")


async def test_korean_enter_without_a_second_key_sends_once(stage: Stage) -> None:
    """2: the same where the keyboard reports the key only once."""
    keyboard = await typed(stage)
    await keyboard.enter(code=PROCESSING, key="Process")
    await keyboard.commit("요")
    assert await questions(stage) == ["안녕하세요"]


async def test_the_usual_guard_makes_koreans_press_twice(stage: Stage) -> None:
    """2, able to fail: a page that ignores every Enter of an input method sends nothing here."""
    await stage.spoil("js/composer.js", {"HANGUL.test(composed)": "false"})
    keyboard = await typed(stage)
    await keyboard.enter(code=PROCESSING, key="Process")
    await keyboard.commit("요")
    assert await questions(stage) == []


async def test_japanese_enter_picks_a_candidate(stage: Stage) -> None:
    """3: かんじ to 漢字, 229, commit: nothing is sent; the next Enter sends."""
    keyboard = await focused(stage)
    await keyboard.compose("か", "かん", "かんじ", "漢字")
    await keyboard.enter(code=PROCESSING)
    await keyboard.commit("漢字")
    assert await questions(stage) == []
    await keyboard.enter()
    assert await questions(stage) == ["漢字"]


async def test_japanese_enter_after_the_commit(stage: Stage) -> None:
    """3: the same in Safari's order, the commit before the key."""
    keyboard = await focused(stage)
    await keyboard.compose("か", "かんじ", "漢字")
    await keyboard.commit("漢字")
    await keyboard.enter(code=PROCESSING)
    assert await questions(stage) == []
    await keyboard.enter()
    assert await questions(stage) == ["漢字"]


async def test_a_guard_for_korean_alone_breaks_japanese(stage: Stage) -> None:
    """3, able to fail: a page that sends at every Enter of an input method sends the candidate."""
    await stage.spoil("js/composer.js", {"HANGUL.test(composed)": "true"})
    keyboard = await focused(stage)
    await keyboard.compose("かんじ", "漢字")
    await keyboard.enter(code=PROCESSING)
    await keyboard.commit("漢字")
    assert await questions(stage) == ["漢字"]


async def test_shift_enter_in_a_composition_is_a_new_line(stage: Stage) -> None:
    """4: Shift+Enter while composing sends nothing and breaks the line."""
    keyboard = await typed(stage)
    await keyboard.enter(code=PROCESSING, shift=True)
    await keyboard.commit("요")
    await keyboard.enter(shift=True)
    assert await questions(stage) == []
    await expect(stage.page.get_by_test_id("composer")).to_have_value("안녕하세요\n")
