"""The chat page in Chromium, against a whole gateway."""

import pytest
from playwright.async_api import Page, expect

from gateway.chat.records import ReportSnapshot
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.simulator import SimulatorOptions
from tests.browser.steps import ask
from tests.integration.money import OPEN_DOOR
from tests.running_gateway import FLAT_OUT, running_gateway

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PACED = SimulatorOptions(tokens_per_second=60, first_token_seconds=0.2)
TURNS = 25
QUOTED = 20


async def test_an_answer_streams_in_and_survives_a_reload(
    page: Page, report: ReportSnapshot, postgres: EmbeddedServer, redis: EmbeddedServer
) -> None:
    """A question's answer grows word by word, and is there after a reload."""
    async with running_gateway(database=postgres.url, redis=redis.url, options=PACED) as gateway:
        await page.goto(gateway.url)
        await expect(page.get_by_test_id("report-headline")).to_have_text(report.headline)
        await expect(page.get_by_test_id("badge-simulated")).to_be_visible()
        await ask(page, "매출은 어떻게 됐어?")
        await expect(page.get_by_test_id("stop")).to_be_visible()
        await expect(page.get_by_test_id("typing")).to_be_visible()
        answer = page.get_by_test_id("answer")
        await expect(answer).not_to_be_empty()
        early = await answer.text_content() or ""
        await expect(page.get_by_test_id("send")).to_be_visible()
        whole = await answer.text_content() or ""
        assert whole.startswith(early.rstrip())
        assert len(whole) > len(early)

        await page.reload()
        await expect(page.get_by_test_id("question")).to_have_text("매출은 어떻게 됐어?")
        await expect(page.get_by_test_id("answer")).to_have_text(whole)


async def test_a_conversation_of_25_turns_quotes_the_last_20_messages(
    page: Page, report: ReportSnapshot, postgres: EmbeddedServer, redis: EmbeddedServer
) -> None:
    """The 25th prompt holds the report and exactly the last 20 messages."""
    async with running_gateway(
        database=postgres.url, redis=redis.url, options=FLAT_OUT, **OPEN_DOOR
    ) as gateway:
        await page.goto(gateway.url)
        for number in range(TURNS):
            await ask(page, f"{number + 1}번째 질문입니다")
            await expect(page.get_by_test_id("answer").nth(number)).not_to_be_empty()
            await expect(page.get_by_test_id("send")).to_be_visible()
    system, *quoted, question = gateway.upstream.requests[-1].messages
    assert report.headline in system.content
    assert report.summary in system.content
    assert len(quoted) == QUOTED
    assert [line.content for line in quoted[::2]] == [
        f"{number}번째 질문입니다" for number in range(TURNS - QUOTED // 2, TURNS)
    ]
    assert question.content == f"{TURNS}번째 질문입니다"


async def test_an_error_is_shown_and_can_be_retried(
    page: Page, report: ReportSnapshot, postgres: EmbeddedServer
) -> None:
    """An answer that breaks off says so in Korean, keeps its text, and can be asked for again."""
    async with running_gateway(database=postgres.url, openai_model="sim-eof") as gateway:
        await page.goto(gateway.url)
        await ask(page, "요약해 줘")
        await expect(page.get_by_test_id("turn-error")).to_contain_text(
            "일시 오류: 응답이 중간에 끊겼습니다."
        )
        await expect(page.get_by_test_id("answer")).not_to_be_empty()
        await page.get_by_test_id("retry").click()
        await expect(page.get_by_test_id("versions")).to_contain_text("2 / 2")


async def test_no_key_is_said_in_a_banner(
    page: Page, report: ReportSnapshot, postgres: EmbeddedServer
) -> None:
    """Without a key the page says so, and a question is answered with that notice."""
    async with running_gateway(database=postgres.url, key="") as gateway:
        await page.goto(gateway.url)
        await expect(page.get_by_test_id("banner")).to_contain_text("API 키가 설정되지 않아")
        assert len(gateway.upstream.requests) == 0
