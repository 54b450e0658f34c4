"""Writing and sending a question: once, and never lost."""

import pytest
from playwright.async_api import expect

from tests.browser.input_method import InputMethod
from tests.browser.stage import Answering, Stage, stored

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

HOLD = """() => {
    window.held = [];
    window.requestAnimationFrame = (draw) => window.held.push(draw);
}"""
# Drafts are stored a moment after a key, and at once by whoever leaves.
STORE = "window.dispatchEvent(new Event('pagehide'))"
DRAW = "window.held.forEach((draw) => draw(0))"


async def sent(stage: Stage, text: str) -> Answering:
    """Send a question, its draft stored, that the server has not said anything about yet."""
    count = len(stage.said("message")) + 1
    await stage.page.get_by_test_id("composer").fill(text)
    await stage.page.evaluate(STORE)
    await stage.page.get_by_test_id("composer").press("Enter")
    return Answering(stage, await stage.heard("message", count=count))


async def refuse(stage: Stage, question: Answering) -> None:
    """Turn a question down before it is a turn."""
    refused = {"type": "error", "scope": "frame", "code": "rate_limited", "id": question.id}
    said = {"message": "요청이 너무 잦습니다.", "retryable": True, "trace_id": "0" * 32}
    await stage.send(refused | said)


async def test_send_is_off_while_sending_but_the_box_is_not(stage: Stage) -> None:
    """18: until the answer ends nothing can be sent, and the next question can be written."""
    await stage.open()
    box, send = stage.page.get_by_test_id("composer"), stage.page.get_by_test_id("send")
    await expect(send).to_have_attribute("aria-disabled", "true")
    answering = await stage.ask("첫 질문")
    await expect(send).to_be_hidden()
    await box.fill("다음 질문")
    await expect(box).to_be_focused()
    await box.press("Enter")
    await answering.end()
    await expect(send).to_be_visible()
    assert len(stage.said("message")) == 1
    await expect(box).to_have_value("다음 질문")


async def test_a_double_click_sends_once(stage: Stage) -> None:
    """18: two clicks, or two Enters, are one question."""
    await stage.open()
    await stage.page.get_by_test_id("composer").fill("한 번만")
    await stage.page.get_by_test_id("send").dblclick()
    await stage.page.get_by_test_id("composer").press("Enter")
    await stage.page.get_by_test_id("composer").press("Enter")
    await stage.page.wait_for_timeout(200)
    assert len(stage.said("message")) == 1


async def test_a_draft_survives_a_reload(stage: Stage) -> None:
    """19: what was written is there after a reload, also when sent but never accepted."""
    await stage.open()
    box = stage.page.get_by_test_id("composer")
    await box.fill("쓰던 질문")
    await stage.page.reload()
    await expect(box).to_have_value("쓰던 질문")
    await stage.online()
    await box.press("Enter")
    await stage.heard("message")
    await stage.page.reload()
    await expect(box).to_have_value("쓰던 질문")


async def test_a_draft_is_gone_once_accepted(stage: Stage) -> None:
    """19: an accepted question does not come back."""
    await stage.open()
    answering = await stage.ask("보낸 질문")
    await answering.end()
    await expect(stage.page.get_by_test_id("send")).to_be_visible()
    await stage.page.reload()
    await stage.online()
    await expect(stage.page.get_by_test_id("composer")).to_have_value("")


async def test_a_question_that_fails_at_once_is_no_draft(stage: Stage) -> None:
    """19: asked again and failed before the next frame is drawn, a question does not come back either."""
    await stage.open(turns=[stored(1)])
    await stage.page.evaluate(HOLD)
    question = await sent(stage, "1번째 질문")
    await question.accept()
    await question.fail("key_missing", "API 키가 없습니다.")
    await question.taken()
    await stage.page.evaluate(DRAW)
    await stage.page.reload()
    await stage.online()
    await expect(stage.page.get_by_test_id("composer")).to_have_value("")


async def test_what_is_written_on_does_not_replace_what_was_sent(stage: Stage) -> None:
    """19: a reload before the server has answered keeps the question and what was written since."""
    await stage.open()
    await sent(stage, "보낸 질문")
    await stage.page.get_by_test_id("composer").fill("다음 질문")
    await stage.page.reload()
    await expect(stage.page.get_by_test_id("composer")).to_have_value("보낸 질문\n다음 질문")


async def test_a_refused_question_comes_back(stage: Stage) -> None:
    """19: a refusal puts the text back into the box and says why."""
    await stage.open()
    await refuse(stage, await sent(stage, "거절될 질문"))
    await expect(stage.page.get_by_test_id("composer")).to_have_value("거절될 질문")
    await expect(stage.page.get_by_test_id("composer-error")).to_have_text("요청이 너무 잦습니다.")
    await expect(stage.page.get_by_test_id("question")).to_have_count(0)


async def test_a_refused_question_comes_back_before_the_next(stage: Stage) -> None:
    """19: whoever has written on loses neither text, not even by a reload."""
    await stage.open()
    box = stage.page.get_by_test_id("composer")
    question = await sent(stage, "거절될 질문")
    await box.fill("다음 질문")
    await refuse(stage, question)
    await expect(box).to_have_value("거절될 질문\n다음 질문")
    await stage.page.reload()
    await expect(box).to_have_value("거절될 질문\n다음 질문")


async def test_a_refused_question_waits_for_the_syllable(stage: Stage) -> None:
    """19: what is being composed is neither torn nor doubled by the text that comes back."""
    await stage.open()
    box = stage.page.get_by_test_id("composer")
    question = await sent(stage, "거절될 질문")
    keyboard = await InputMethod.of(stage.page)
    await keyboard.compose("ㄷ", "다")
    await refuse(stage, question)
    await expect(stage.page.get_by_test_id("composer-error")).not_to_be_empty()
    await keyboard.compose("달")
    await keyboard.commit("달")
    await expect(box).to_have_value("거절될 질문\n달")


async def test_up_in_an_empty_box_brings_the_last_question(stage: Stage) -> None:
    """The last question comes back for editing; text in the box is left alone."""
    await stage.open()
    await stage.answer("답변", question="지난 질문")
    box = stage.page.get_by_test_id("composer")
    await box.press("ArrowUp")
    await expect(box).to_have_value("지난 질문")
    await box.fill("새 질문")
    await box.press("ArrowUp")
    await expect(box).to_have_value("새 질문")


async def test_a_suggestion_is_sent_with_a_click(stage: Stage) -> None:
    """A suggested question needs no typing."""
    await stage.open()
    await stage.page.get_by_test_id("suggestion").first.click()
    assert (await stage.heard("message"))["text"] == "요약해 줘"
    await expect(stage.page.get_by_test_id("question")).to_have_text("요약해 줘")


async def test_too_long_a_question_cannot_be_sent(stage: Stage) -> None:
    """Over the limit the counter says so and Send is off; a character is one, emoji or not."""
    await stage.open(limits={"message_chars": 10, "history_messages": 20})
    box = stage.page.get_by_test_id("composer")
    await box.fill("가나다라마바사아자😀")
    await expect(stage.page.get_by_test_id("send")).to_have_attribute("aria-disabled", "false")
    await box.fill("가나다라마바사아자😀차")
    await expect(stage.page.get_by_test_id("send")).to_have_attribute("aria-disabled", "true")
    await expect(stage.page.locator("#counter")).to_have_text("11 / 10자")
