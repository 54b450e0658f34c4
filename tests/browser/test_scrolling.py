"""The conversation follows its end until the reader looks elsewhere."""

import pytest
from playwright.async_api import expect

from tests.browser.stage import Answering, Stage, stored

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AT_END = "v => Math.abs(v.scrollHeight - v.scrollTop - v.clientHeight) <= 1"
TOP = "v => v.scrollTop"
PARAGRAPH = "스크롤을 시험하기 위한 한 문단입니다. " * 6 + "\n\n"


async def streaming(stage: Stage) -> Answering:
    """Open the page and stream more than fits on it."""
    await stage.open()
    answering = await stage.ask("길게 답해 줘")
    await answering.write(*[PARAGRAPH] * 12)
    await expect(stage.page.get_by_test_id("answer").locator("p")).to_have_count(12)
    return answering


async def test_the_end_is_followed(stage: Stage) -> None:
    """10: while an answer grows its end stays in sight."""
    answering = await streaming(stage)
    viewport = stage.page.locator("#viewport")
    for _ in range(5):
        await answering.write(PARAGRAPH)
        await stage.drawn()
        assert await viewport.evaluate(AT_END)


async def test_the_wheel_lets_go_of_the_end(stage: Stage) -> None:
    """10: after the wheel goes up nothing moves over 50 deltas, and the button brings the end back."""
    answering = await streaming(stage)
    viewport, jump = stage.page.locator("#viewport"), stage.page.get_by_test_id("jump")
    await viewport.hover()
    await stage.page.mouse.wheel(0, -400)
    await expect(jump).to_be_visible()
    await stage.drawn()
    top = await viewport.evaluate(TOP)
    await answering.write(*[PARAGRAPH] * 50)
    await expect(stage.page.get_by_test_id("answer").locator("p")).to_have_count(62)
    await stage.drawn()
    assert await viewport.evaluate(TOP) == top
    await jump.click()
    await expect(jump).to_be_hidden()
    await answering.write(PARAGRAPH)
    await stage.drawn()
    assert await viewport.evaluate(AT_END)


async def test_a_page_that_always_follows_is_found_out(stage: Stage) -> None:
    """10, able to fail: without the release the reader is dragged back."""
    await stage.spoil("js/scroll.js", {"stuck = false": "stuck = true"})
    answering = await streaming(stage)
    viewport = stage.page.locator("#viewport")
    await viewport.hover()
    await stage.page.mouse.wheel(0, -400)
    await answering.write(*[PARAGRAPH] * 5)
    await stage.drawn()
    assert await viewport.evaluate(AT_END)


async def test_a_growing_box_keeps_the_end(stage: Stage) -> None:
    """10: a question of many lines does not push the end out of sight."""
    await streaming(stage)
    viewport = stage.page.locator("#viewport")
    await stage.page.get_by_test_id("composer").fill("줄\n" * 8)
    await stage.drawn()
    assert await viewport.evaluate(AT_END)


async def test_an_answer_starts_and_ends_without_a_jump(stage: Stage) -> None:
    """The first words take the place of the dots, and the line of actions has had its place."""
    await stage.open()
    answering = await stage.ask("질문")
    height = "list => list.getBoundingClientRect().height"
    messages = stage.page.get_by_test_id("messages")
    await expect(stage.page.get_by_test_id("typing")).to_be_visible()
    waiting = await messages.evaluate(height)
    await answering.write("한 줄 답변입니다.")
    await expect(stage.page.get_by_test_id("answer")).to_be_visible()
    assert abs(await messages.evaluate(height) - waiting) < 1
    await answering.end()
    await expect(stage.page.get_by_test_id("copy")).to_be_visible()
    assert abs(await messages.evaluate(height) - waiting) < 1


@pytest.mark.parametrize("locale", ["ko", "en"])
async def test_the_box_stays_where_it_is(stage: Stage, locale: str) -> None:
    """On the narrowest screen too, what the first answer cost moves neither the box nor the text above."""
    await stage.page.set_viewport_size({"width": 320, "height": 640})
    await stage.page.add_init_script(f"localStorage.setItem('chatgw.locale', '{locale}')")
    await stage.open()
    composer = stage.page.get_by_test_id("composer")
    before = await composer.bounding_box()
    await stage.answer("답변")
    await expect(stage.page.get_by_test_id("spent")).to_be_visible()
    assert await composer.bounding_box() == before


async def test_a_screen_keyboard_leaves_room_to_read(stage: Stage) -> None:
    """On half of a phone whoever writes sees the conversation; whoever does not, the report."""
    await stage.page.set_viewport_size({"width": 390, "height": 400})
    await stage.open(turns=[stored(1)])
    report = stage.page.get_by_test_id("report-headline")
    await expect(report).to_be_visible()
    await stage.page.get_by_test_id("composer").focus()
    await expect(report).to_be_hidden()
    box = await stage.page.locator("#viewport").bounding_box()
    assert box is not None
    assert box["height"] > 200


async def test_earlier_messages_are_shown_on_demand(stage: Stage) -> None:
    """Of a long conversation the last 50 messages are shown; the button adds more and moves nothing."""
    await stage.open(turns=[stored(number) for number in range(1, 61)])
    questions = stage.page.get_by_test_id("question")
    await expect(questions).to_have_count(25)
    await expect(questions.first).to_have_text("36번째 질문")
    earlier = stage.page.get_by_test_id("earlier")
    await expect(earlier).to_have_text("이전 대화 보기")
    await earlier.scroll_into_view_if_needed()
    box = await questions.first.bounding_box()
    await earlier.click()
    await expect(questions).to_have_count(50)
    moved = await questions.nth(25).bounding_box()
    assert box is not None
    assert moved is not None
    assert abs(box["y"] - moved["y"]) < 2
    await earlier.click()
    await expect(questions).to_have_count(60)
    await expect(earlier).to_be_hidden()
