"""What goes wrong, said in the reader's language, with a way on where there is one."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from gateway.chat.codes import CATALOGUE, Code, Locale
from gateway.chat.records import ReportSnapshot
from gateway.dev.embedded_server import EmbeddedServer
from tests.browser.stage import Answering, Stage, stored
from tests.browser.steps import ask
from tests.running_gateway import running_gateway

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CASES: dict[str, tuple[dict[str, Any], Code, bool]] = {
    "key missing": ({"key": ""}, Code.KEY_MISSING, False),
    "cost cap": ({"cost_request_usd": "0.000001"}, Code.COST_CAP_REACHED, False),
    "429": ({"openai_model": "sim-429"}, Code.UPSTREAM_RATE_LIMITED, True),
    "no first text": (
        {"openai_model": "sim-hang", "limits_first_chunk_seconds": "0.5"},
        Code.FIRST_CHUNK_TIMEOUT,
        True,
    ),
    "silence midway": (
        {"openai_model": "sim-stall", "limits_stall_seconds": "0.5"},
        Code.STALLED,
        True,
    ),
}


@pytest.mark.parametrize("locale", list(Locale))
@pytest.mark.parametrize("case", CASES)
async def test_an_error_is_told_and_retried_where_it_can_help(
    page: Page, report: ReportSnapshot, postgres: EmbeddedServer, case: str, locale: Locale
) -> None:
    """17: the right words in Korean and English, Retry only where it may help, the question kept."""
    settings, code, retryable = CASES[case]
    entry = CATALOGUE[code]
    words = entry.ko if locale is Locale.KO else entry.en
    language = f"window.localStorage.setItem('chatgw.locale', '{locale.value}')"
    await page.add_init_script(language)
    async with running_gateway(database=postgres.url, **settings) as gateway:
        await page.goto(gateway.url)
        await ask(page, "요약해 줘")
        error = page.get_by_test_id("turn-error")
        await expect(error).to_contain_text(words)
        await expect(error).to_have_role("alert")
        await expect(page.get_by_test_id("retry")).to_be_visible(visible=retryable)
        await expect(page.get_by_test_id("question")).to_have_text("요약해 줘")


async def test_retry_waits_as_long_as_it_is_told(stage: Stage) -> None:
    """17: with `retry_after_ms` the button counts down and asks again only then."""
    await stage.page.clock.install()
    await stage.open()
    answering = await stage.ask("질문")
    await answering.fail(
        "upstream_rate_limited", "요청이 많습니다.", retryable=True, retry_after_ms=1500
    )
    retry = stage.page.get_by_test_id("retry")
    await expect(retry).to_have_text("다시 시도 (2초)")
    await retry.click(force=True)
    assert len(stage.said("message")) == 1
    await stage.page.clock.run_for(1_500)
    await expect(retry).to_have_text("다시 시도")
    await retry.click()
    again = await stage.heard("message", count=2)
    assert (again["text"], again["regenerate_of"]) == ("질문", answering.turn_id)
    assert again["id"] != answering.id


async def fail_unstored(stage: Stage, question: str) -> None:
    """Ask a question that fails before it is stored, and so has no turn."""
    count = len(stage.said("message")) + 1
    await ask(stage.page, question)
    message = await stage.heard("message", count=count)
    error = {"type": "error", "scope": "turn", "code": "storage_unavailable", "retryable": True}
    await stage.send(error | {"id": message["id"], "message": "대화를 저장할 수 없습니다."})
    await expect(stage.page.get_by_test_id("turn-error").last).to_be_visible()


async def test_a_question_that_was_never_stored_gives_way_to_its_retry(stage: Stage) -> None:
    """What was never stored has no versions: asked again, the question stands there once."""
    await stage.open()
    await fail_unstored(stage, "질문")
    await stage.page.get_by_test_id("retry").click()
    again = await Answering(stage, await stage.heard("message", count=2)).accept()
    await again.write("답변")
    await again.end()
    await expect(stage.page.get_by_test_id("answer")).to_have_text("답변")
    await expect(stage.page.get_by_test_id("question")).to_have_text(["질문"])
    await expect(stage.page.get_by_test_id("turn-error")).to_be_hidden()


async def test_a_new_answer_that_was_never_stored_gives_way_too(stage: Stage) -> None:
    """A retry of an answer anew is one of the same answer, though the one that failed was never stored."""
    failed = stored(1, text="") | {"question": "질문"}
    failed["end"] = {
        "type": "error",
        "code": "stalled",
        "message": "멈췄습니다.",
        "retryable": True,
    }
    await stage.open(turns=[failed])
    retry = stage.page.get_by_test_id("retry")
    await retry.click()
    message = await stage.heard("message")
    error = {"type": "error", "scope": "turn", "code": "storage_unavailable", "retryable": True}
    await stage.send(error | {"id": message["id"], "message": "대화를 저장할 수 없습니다."})
    await expect(stage.page.get_by_test_id("versions")).to_contain_text("2 / 2")
    await retry.click()
    again = await stage.heard("message", count=2)
    assert again["regenerate_of"] == failed["turn_id"]
    await Answering(stage, again).accept()
    await expect(stage.page.get_by_test_id("versions")).to_contain_text("2 / 2")


async def test_what_was_never_stored_keeps_its_place(stage: Stage) -> None:
    """After a reconnect a question without a turn stands where it was asked, not at the end."""
    before, after = stored(1), stored(3)
    await stage.open(turns=[before])
    await fail_unstored(stage, "둘째 질문")
    answering = await stage.answer("답변", question="셋째 질문")
    after |= {"id": answering.id, "turn_id": answering.turn_id, "question": "셋째 질문"}
    stage.ready |= {"turns": [before, after]}
    await stage.sockets[-1].close(code=1012)
    await stage.heard("hello", count=2)
    await stage.online()
    await stage.drawn()
    questions = ["1번째 질문", "둘째 질문", "셋째 질문"]
    await expect(stage.page.get_by_test_id("question")).to_have_text(questions)
    await expect(stage.page.get_by_test_id("retry").filter(visible=True)).to_have_count(0)


async def test_a_broken_answer_keeps_its_text_and_the_draft(stage: Stage) -> None:
    """17: what came before the failure stays, and so does what is being written."""
    await stage.open()
    answering = await stage.ask("질문")
    await answering.write("절반의 답")
    await stage.page.get_by_test_id("composer").fill("쓰던 질문")
    await answering.fail("stalled", "응답이 멈췄습니다.", retryable=True, partial=True)
    await expect(stage.page.get_by_test_id("turn-error")).to_contain_text("응답이 멈췄습니다.")
    await expect(stage.page.get_by_test_id("answer")).to_have_text("절반의 답")
    await expect(stage.page.get_by_test_id("composer")).to_have_value("쓰던 질문")


async def test_what_a_failure_cost_is_counted(stage: Stage) -> None:
    """The cost of the conversation is right after a failed answer too."""
    await stage.open()
    answering = await stage.ask("질문")
    await answering.fail("stalled", "응답이 멈췄습니다.", cost_usd="0.0021")
    await expect(stage.page.get_by_test_id("spent")).to_have_text("대화 비용 $0.0021 / $1.00")


async def test_no_key_is_told_before_anyone_asks(stage: Stage) -> None:
    """17: without a key a banner says so at once, and cannot be dismissed."""
    await stage.open(key_configured=False)
    banner = stage.page.get_by_test_id("banner")
    await expect(banner).to_contain_text("OpenAI API 키가 설정되지 않아")
    await expect(stage.page.get_by_test_id("dismiss")).to_be_hidden()
