"""Answers in Markdown: Korean read rightly, and drawn while they stream."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

DOCUMENTS = (
    "올해 **GDP(국내총생산)**은 늘었고 3~5일에서 7~10일로 늦어졌습니다. `code` *기울임*\n둘째 줄",
    "- 하나\n- 둘\n  - 둘의 하나\n\n    문단\n- 셋\n\n\n넷",
    "1. a\n2. b\n\n   c\n3. d\n\n문단\n\n| 구분 | 값 |\n|:--|--:|\n| 매출 | 1,200 |\n| 이익 | 90 |\n\n끝",
    "# 제목\n문단\n---\n\n```python\nprint('a')\n\n```\n\n> 인용\n> 둘째\n\n~~~\n열린 코드\n",
    "제목\n===\n\n문단 <b>태그</b> &amp; \\* ![그림](https://example.com/a.png)\n***\n<div>\n블록\n</div>\n\n끝",
    "- 목록\n\n```sql\nselect 1;\n```\n\n[위키](https://ko.wikipedia.org/wiki/A_(B)) www.example.com\n\n[1]: https://example.com",
    "- a\n  ```js\n  let a = 1;\n  ```\n- b\r\n\r\n| 혼자 |\n\n**열린 강조",
    "*GDP(국내총생산)*은 ~~취소(선)~~은 ***둘(다)***은 (https://example.com/a)를 www.example.com입니다",
    "글\n\n````markdown\n# 설치\n```bash\npip install x\n```\n## 사용법\n**굵게**\n````\n\n이상입니다.\n",
    "~~~~text\n```\n~~~\n```\n## 아직\n~~~~~\n# 끝\n````\n~~~~\n~~~\n````\n\n끝",
)
STREAMED = """async ([documents, steps]) => {
    const { createAnswer } = await import('/static/js/answer.js');
    const drawn = (source, ends) => {
        const root = document.createElement('div');
        const answer = createAnswer(root);
        for (const end of [...ends, source.length]) answer.show(source.slice(0, end), false);
        answer.show(source, true);
        return root.innerHTML;
    };
    return documents.map((source) => {
        const places = Array.from(source, (_, index) => index);
        const ways = steps.map((step) => places.filter((place) => place > 0 && place % step === 0));
        return [[], ...ways, ...places.map((place) => [place])].map((ends) => drawn(source, ends));
    });
}"""


async def test_bold_ends_before_a_particle(stage: Stage) -> None:
    """5: `**GDP(국내총생산)**은` is bold, and no asterisk is left."""
    await stage.open()
    await stage.answer("올해 **GDP(국내총생산)**은 늘었고 은**(잠정) 수치**입니다.")
    answer = stage.page.get_by_test_id("answer")
    await expect(answer).to_have_text("올해 GDP(국내총생산)은 늘었고 은(잠정) 수치입니다.")
    await expect(answer.locator("strong")).to_have_text(["GDP(국내총생산)", "(잠정) 수치"])


async def test_bold_before_a_particle_needs_our_rule(stage: Stage) -> None:
    """5, able to fail: without the extension the asterisks are on the page."""
    await stage.spoil("js/markdown.js", {"if (!raw ||": "if (true ||"})
    await stage.open()
    await stage.answer("올해 **GDP(국내총생산)**은 늘었습니다.")
    await expect(stage.page.get_by_test_id("answer")).to_contain_text("**GDP")


@pytest.mark.parametrize(
    ("source", "element", "text"),
    [
        ("올해 *GDP(국내총생산)*은", "em", "GDP(국내총생산)"),
        ("*「제목」*의", "em", "「제목」"),
        ("***굵게(기울임)***은", "em > strong", "굵게(기울임)"),
        ("~~취소(선)~~은", "del", "취소(선)"),
    ],
)
async def test_every_mark_ends_before_a_particle(
    stage: Stage, source: str, element: str, text: str
) -> None:
    """5: italics, bold italics and what is struck out end there too."""
    await stage.open()
    await stage.answer(source)
    answer = stage.page.get_by_test_id("answer")
    await expect(answer.locator(element)).to_have_text(text)
    await expect(answer).to_have_text(re.sub(r"[*~]", "", source))


@pytest.mark.parametrize("source", ["10*(1+r)*원", "매출*(잠정)은 늘고 이익*(확정)은 줄고"])
async def test_a_star_may_be_a_star(stage: Stage, source: str) -> None:
    """5: a product and two footnotes keep their stars."""
    await stage.open()
    await stage.answer(source)
    await expect(stage.page.get_by_test_id("answer")).to_have_text(source)


@pytest.mark.parametrize(
    ("before", "link", "after"),
    [
        ("", "https://example.com/report", "에서 확인"),
        ("(", "https://example.com/a", ")를"),
        ("", "https://news.example.kr", "입니다"),
        ("", "https://example.com/", "에서"),
        ("", "https://example.com/보고서.pdf", "를"),
        ("", "https://example.com/?q=한국&page=2", "와"),
        ("(", "https://ko.wikipedia.org/wiki/GDP_(국내총생산)", ")을"),
        ("“", "https://example.com/a", "”라는"),
        ("", "https://ko.wikipedia.org/wiki/한국어", " 문서"),
    ],
)
async def test_a_link_ends_before_a_particle(
    stage: Stage, before: str, link: str, after: str
) -> None:
    """A bare URL holds neither the particle after it nor the bracket around it, but its own Hangul."""
    await stage.open()
    await stage.answer(before + link + after)
    answer = stage.page.get_by_test_id("answer")
    await expect(answer.locator("a")).to_have_attribute("href", link)
    await expect(answer.locator("a")).to_have_text(link)
    await expect(answer).to_have_text(before + link + after)


async def test_a_link_without_a_scheme_ends_there_too(stage: Stage) -> None:
    """The host of `www.example.com입니다` is the one that was meant."""
    await stage.open()
    await stage.answer("www.example.com입니다")
    link = stage.page.get_by_test_id("answer").locator("a")
    await expect(link).to_have_attribute("href", "http://www.example.com")


async def test_signs_may_be_written_by_name(stage: Stage) -> None:
    """The names of usual signs are read; what is no such name stays as it is."""
    await stage.open()
    await stage.answer("&larr; 12 &rarr; &copy; &constructor;")
    await expect(stage.page.get_by_test_id("answer")).to_have_text("← 12 → © &constructor;")


async def test_a_range_is_not_struck_out(stage: Stage) -> None:
    """5: `3~5일에서 7~10일` keeps its tildes; two tildes strike out."""
    await stage.open()
    await stage.answer("3~5일에서 7~10일, ~~아님~~")
    answer = stage.page.get_by_test_id("answer")
    await expect(answer).to_have_text("3~5일에서 7~10일, 아님")
    await expect(answer.locator("del")).to_have_text("아님")


async def test_a_range_needs_our_rule(stage: Stage) -> None:
    """5, able to fail: without the rule the range is struck out."""
    await stage.spoil("js/markdown.js", {"? false : undefined": "? false : false"})
    await stage.open()
    await stage.answer("3~5일에서 7~10일")
    await expect(stage.page.get_by_test_id("answer").locator("del")).to_have_count(1)


async def test_every_step_ends_in_the_same_document(stage: Stage) -> None:
    """6: in deltas of 1, 3, 7 and 64 characters, or any two, an answer ends as it does in one."""
    await stage.open()
    for source, (whole, *stepped) in zip(
        DOCUMENTS,
        await stage.page.evaluate(STREAMED, [DOCUMENTS, [1, 3, 7, 64]]),
        strict=True,
    ):
        assert stepped == [whole] * len(stepped), source


async def test_committing_half_a_block_is_found_out(stage: Stage) -> None:
    """6, able to fail: with the last block taken as final the steps differ."""
    await stage.spoil("js/answer.js", {"Math.max(last, 0)": "last + 1"})
    await stage.open()
    results = await stage.page.evaluate(STREAMED, [DOCUMENTS, [1, 3, 7, 64]])
    assert any(len(set(drawn)) > 1 for drawn in results)


async def test_a_finished_paragraph_is_left_alone(stage: Stage) -> None:
    """7: during a stream the first paragraph stays the same node, with the selection in it."""
    await stage.open()
    answering = await stage.ask("질문")
    await answering.write("첫 문단입니다.\n\n둘째")
    first = stage.page.get_by_test_id("answer").locator("p").first
    await expect(first).to_have_text("첫 문단입니다.")
    await first.evaluate("p => { window.first = p; getSelection().selectAllChildren(p); }")
    for number in range(30):
        await answering.write(f" 문단 {number}\n\n- 목록 {number}\n\n")
    await answering.end()
    await expect(stage.page.get_by_test_id("send")).to_be_visible()
    assert await first.evaluate("p => p === window.first")
    assert await stage.page.evaluate("getSelection().toString()") == "첫 문단입니다."


async def test_code_is_coloured_once_it_is_closed(stage: Stage) -> None:
    """Open code is plain; closed code gets its colours, and only then loads the highlighter."""
    await stage.open()
    answering = await stage.ask("질문")
    await answering.write("```python\nprint('안녕')\n")
    code = stage.page.get_by_test_id("answer").locator("pre code")
    await expect(code).to_have_text("print('안녕')")
    assert not any("highlightjs" in path for path in stage.requests)
    await answering.write("```\n\n다음")
    await expect(code.locator(".hl-string")).to_have_text("'안녕'")
    assert sum("highlightjs" in path for path in stage.requests) == 2


async def test_a_table_scrolls_in_its_own_box(stage: Stage) -> None:
    """A table wider than the page does not widen it."""
    await stage.page.set_viewport_size({"width": 320, "height": 640})
    await stage.open()
    row = "|" + " 아주 긴 머리글 |" * 12
    await stage.answer(f"{row}\n|{'---|' * 12}\n{row}")
    box = stage.page.get_by_test_id("answer").locator(".table-box")
    assert await box.evaluate("box => box.scrollWidth > box.clientWidth")
    assert await stage.page.evaluate("document.documentElement.scrollWidth") == 320


async def test_a_task_has_its_box_alone(stage: Stage) -> None:
    """What is to be done has a box for a bullet; what stands beside it keeps its own."""
    await stage.open()
    await stage.answer("- [ ] 할 일\n- [x] 마친 일\n- 다른 일")
    items = stage.page.get_by_test_id("answer").locator("li")
    await expect(items).to_have_text(["☐ 할 일", "☑ 마친 일", "다른 일"])
    styles = "items => items.map((item) => getComputedStyle(item).listStyleType)"
    assert await items.evaluate_all(styles) == ["none", "none", "disc"]


async def test_marks_do_not_flash_up_before_they_mean_something(stage: Stage) -> None:
    """Half of a bold text, a table's first row and a lone list mark are not shown as text."""
    await stage.open()
    answering = await stage.ask("질문")
    await answering.write("매출은 **12% 늘")
    answer = stage.page.get_by_test_id("answer")
    await expect(answer.locator("strong")).to_have_text("12% 늘")
    await expect(answer).to_have_text("매출은 12% 늘")
    await answering.write("**었습니다.\n\n| 구분 | 값 |\n|---")
    await expect(answer).to_have_text("매출은 12% 늘었습니다.")
