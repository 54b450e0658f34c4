"""What was said before the turns that `ready` brings is there when somebody wants to see it."""

import json

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from gateway.chat.records import ReportSnapshot
from gateway.dev.embedded_server import EmbeddedServer
from tests.browser.stage import Stage, stored
from tests.chat_client import ChatClient
from tests.running_gateway import RunningGateway, running_gateway

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ASKED, TOLD = 7, 2


async def talk(gateway: RunningGateway, page: Page, report: ReportSnapshot) -> None:
    """Ask seven questions, and have the page come back to that conversation."""
    async with ChatClient.connect(gateway.url, report_id=report.id) as client:
        for number in range(1, ASKED + 1):
            await client.ask(f"{number}번째 질문")
    key, token = f"chatgw.session.{report.id}", client.ready["session"]
    await page.add_init_script(f"localStorage.setItem('{key}', '{token}')")
    await page.goto(f"{gateway.url}/?report={report.id}")
    await expect(page.get_by_test_id("question")).to_have_count(TOLD)


async def test_earlier_turns_are_fetched_on_demand(
    page: Page, report: ReportSnapshot, postgres: EmbeddedServer
) -> None:
    """The button brings the turns that `ready` had no room for, and then there is none."""
    async with running_gateway(
        database=postgres.url, context_history_messages=str(TOLD)
    ) as gateway:
        await talk(gateway, page, report)
        earlier, questions = page.get_by_test_id("earlier"), page.get_by_test_id("question")
        await earlier.click()
        await expect(questions).to_have_text([f"{n}번째 질문" for n in range(1, ASKED + 1)])
        await expect(page.get_by_test_id("answer").first).not_to_be_empty()
        await expect(earlier).to_be_hidden()


async def test_a_file_has_all_of_it(
    page: Page, report: ReportSnapshot, postgres: EmbeddedServer
) -> None:
    """What is exported is the whole conversation, also what the page does not show."""
    async with running_gateway(
        database=postgres.url, context_history_messages=str(TOLD)
    ) as gateway:
        await talk(gateway, page, report)
        await page.get_by_test_id("more").click()
        async with page.expect_download() as download:
            await page.get_by_test_id("export-json").click()
        file = json.loads((await (await download.value).path()).read_text("utf-8"))
    asked = [turn["question"] for turn in file["turns"]]
    assert asked == [f"{number}번째 질문" for number in range(1, ASKED + 1)]


async def test_without_the_calls_there_is_no_button(
    context: BrowserContext, report: ReportSnapshot, postgres: EmbeddedServer
) -> None:
    """With `[rest] enabled=no` nothing is offered that cannot be had."""
    async with running_gateway(
        database=postgres.url, context_history_messages=str(TOLD), rest_enabled="no"
    ) as gateway:
        # One whose console may say that there is no list of reports.
        page = await context.new_page()
        await talk(gateway, page, report)
        await expect(page.get_by_test_id("earlier")).to_be_hidden()


async def test_nothing_moves_when_earlier_turns_come(stage: Stage) -> None:
    """What is looked at stays where it is, and who used the keyboard is not lost."""
    turns = [stored(number) for number in range(1, 31)]

    async def serve(route: Route) -> None:
        assert "before=11" in route.request.url
        await route.fulfill(json=turns[:10])

    await stage.page.route("**/api/messages?**", serve)
    await stage.open(turns=turns[10:])
    earlier, questions = stage.page.get_by_test_id("earlier"), stage.page.get_by_test_id("question")
    await earlier.scroll_into_view_if_needed()
    box = await questions.first.bounding_box()
    await earlier.press("Enter")
    await expect(questions).to_have_count(30)
    moved = await questions.nth(10).bounding_box()
    assert box is not None
    assert moved is not None
    assert abs(box["y"] - moved["y"]) < 2
    await expect(stage.page.locator("#viewport")).to_be_focused()


async def test_a_failure_is_told_and_can_be_tried_again(stage: Stage) -> None:
    """Where earlier turns cannot be had the button says so, and the next try may succeed."""
    turns = [stored(number) for number in range(1, 4)]
    tries: list[str] = []

    async def serve(route: Route) -> None:
        tries.append(route.request.url)
        if len(tries) == 1:
            # The console would complain of a status.
            await route.fulfill(body="none")
        else:
            await route.fulfill(json=turns[:2])

    await stage.page.route("**/api/messages?**", serve)
    await stage.open(turns=turns[2:])
    earlier = stage.page.get_by_test_id("earlier")
    await earlier.click()
    await expect(earlier).to_have_text("이전 대화를 불러오지 못했습니다. 다시 시도")
    await earlier.click()
    await expect(stage.page.get_by_test_id("question")).to_have_count(3)
    await expect(earlier).to_be_hidden()
