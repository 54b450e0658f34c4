"""What can be done with an answer: versions, copies, files, facts."""

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.stage import INSECURE, SECURE, Answering, Stage, stored

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SOURCE = "**매출**은 12% 늘었습니다.\n\n- 하나\n- 둘"
PASTED = """() => {
    const box = document.getElementById('question');
    box.value = '';
    box.focus();
}"""


async def regenerate(stage: Stage, text: str) -> None:
    """Press the button and have the question answered with `text`."""
    count = len(stage.said("message")) + 1
    await stage.page.get_by_test_id("regenerate").last.click()
    message = await stage.heard("message", count=count)
    answering = Answering(stage, message)
    await answering.accept(regenerate_of=message["regenerate_of"])
    await answering.write(text)
    await answering.end()


async def pasted(page: Page) -> str:
    """Return what the clipboard holds, by pasting it into the question."""
    await page.evaluate(PASTED)
    await page.keyboard.press("Control+V")
    return await page.get_by_test_id("composer").input_value()


async def test_a_regenerated_answer_keeps_the_older_one(stage: Stage) -> None:
    """Regenerating names the turn it replaces; both versions can be turned to."""
    await stage.open()
    first = await stage.answer("첫 답변", question="질문")
    await regenerate(stage, "둘째 답변")
    message = stage.said("message")[1]
    assert (message["regenerate_of"], message["text"]) == (first.turn_id, "질문")
    answer, versions = stage.page.get_by_test_id("answer"), stage.page.get_by_test_id("versions")
    await expect(answer).to_have_text("둘째 답변")
    await expect(versions).to_contain_text("2 / 2")
    await expect(stage.page.get_by_test_id("question")).to_have_count(1)
    await stage.page.get_by_test_id("previous-version").click()
    await expect(answer).to_have_text("첫 답변")
    await expect(versions).to_contain_text("1 / 2")


async def test_stored_versions_belong_together(stage: Stage) -> None:
    """After a reload the versions are one exchange again."""
    first, second = stored(1, text="첫 답변"), stored(2, text="둘째 답변")
    await stage.open(turns=[first, second | {"regenerate_of": first["turn_id"]}])
    await expect(stage.page.get_by_test_id("question")).to_have_count(1)
    await expect(stage.page.get_by_test_id("answer")).to_have_text("둘째 답변")
    await expect(stage.page.get_by_test_id("versions")).to_contain_text("2 / 2")


@pytest.mark.parametrize("host", [SECURE, INSECURE])
async def test_copying_works_with_and_without_https(stage: Stage, host: str) -> None:
    """20: ids are made and the answer's Markdown is copied, also where `navigator.clipboard` is missing."""
    await stage.page.context.grant_permissions(["clipboard-write"], origin=stage.url())
    await stage.open(host=host)
    assert await stage.page.evaluate("isSecureContext") is (host == SECURE)
    await stage.answer(SOURCE)
    assert re.fullmatch(r"[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}", stage.said("message")[0]["id"])
    await stage.page.get_by_test_id("copy").click()
    await expect(stage.page.get_by_test_id("copy")).to_have_text("복사됨")
    await expect(stage.page.get_by_role("status")).to_have_text("복사됨")
    assert await pasted(stage.page) == SOURCE


async def test_copying_by_the_clipboard_alone_breaks_over_http(stage: Stage) -> None:
    """20, able to fail: without the old way nothing is copied on an insecure page."""
    await stage.spoil("js/clipboard.js", {"document.execCommand('copy')": "false"})
    await stage.open(host=INSECURE)
    await stage.answer(SOURCE)
    await stage.page.get_by_test_id("copy").click()
    await expect(stage.page.get_by_test_id("copy")).to_have_text("복사하지 못함")


async def test_code_is_copied_alone(stage: Stage) -> None:
    """The button of a block of code copies the code, without its fence."""
    await stage.open(host=INSECURE)
    await stage.answer("앞\n\n```python\nprint(1)\nprint(2)\n```\n\n뒤")
    await stage.page.get_by_test_id("copy-code").click()
    assert await pasted(stage.page) == "print(1)\nprint(2)"


async def test_the_trace_can_be_passed_on(stage: Stage) -> None:
    """Of a failed answer too, what finds it for whoever looks into it is one click away."""
    await stage.open(host=INSECURE)
    answering = await stage.ask("질문")
    await answering.fail("stalled", "응답이 멈췄습니다.", trace_id="4bf92f35" * 4)
    await stage.page.get_by_text("상세 정보").click()
    await expect(stage.page.locator(".facts dl")).to_contain_text("4bf92f35" * 4)
    await stage.page.get_by_test_id("copy-trace").click()
    assert await pasted(stage.page) == "4bf92f35" * 4


async def test_the_conversation_is_exported(stage: Stage, tmp_path: Path) -> None:
    """27: both files hold every message and version, ISO times and usage."""
    await stage.open(turns=[stored(1, text="옛 답변")])
    await stage.answer("첫 답변 **굵게**", question="새 질문")
    await regenerate(stage, "둘째 답변")
    await expect(stage.page.get_by_test_id("versions").last).to_be_visible()
    files: dict[str, str] = {}
    for form in ("md", "json"):
        await stage.page.get_by_test_id("more").click()
        async with stage.page.expect_download() as download:
            await stage.page.get_by_test_id(f"export-{form}").click()
        file = tmp_path / (await download.value).suggested_filename
        await (await download.value).save_as(file)
        assert file.suffix == f".{form}"
        files[form] = file.read_text("utf-8")
    turns = json.loads(files["json"])["turns"]
    assert [turn["answer"] for turn in turns] == ["옛 답변", "첫 답변 **굵게**", "둘째 답변"]
    assert [turn["question"] for turn in turns] == ["1번째 질문", "새 질문", "새 질문"]
    assert turns[2]["regenerate_of"] == turns[1]["turn_id"]
    assert turns[0]["asked_at"] == "2026-11-20T08:30:00Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", turns[1]["asked_at"])
    assert turns[1]["end"]["usage"]["output_tokens"] == 312
    for text in (
        "옛 답변",
        "첫 답변 **굵게**",
        "둘째 답변",
        "2026-11-20T08:30:00Z",
        "312",
        "(2/2)",
    ):
        assert text in files["md"]


async def test_an_answer_says_when_and_what_it_took(stage: Stage) -> None:
    """Time, tokens, cost and latency are there on demand, the session's cost and cap always."""
    await stage.open()
    await stage.answer("답변")
    await expect(stage.page.get_by_test_id("asked-at")).to_have_attribute(
        "datetime", re.compile("T.*Z")
    )
    await stage.page.get_by_text("상세 정보").click()
    facts = stage.page.locator(".facts dl")
    await expect(facts).to_contain_text("1,204 → 312")
    await expect(facts).to_contain_text("$0.0021")
    await expect(facts).to_contain_text("0.8초")
    await expect(stage.page.get_by_test_id("spent")).to_have_text("대화 비용 $0.0021 / $1.00")


async def test_a_shortened_answer_says_so(stage: Stage) -> None:
    """An answer kept short by the cost limit carries a note."""
    await stage.open()
    answering = await stage.ask("질문")
    await answering.write("짧은 답변")
    await answering.end(shortened=True)
    await expect(stage.page.get_by_test_id("note")).to_have_text(
        "비용 한도에 맞춰 짧게 답했습니다."
    )
