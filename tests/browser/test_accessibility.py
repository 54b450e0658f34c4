"""The page for everyone: axe finds nothing, the announcer is brief, motion can be turned off."""

from collections.abc import Awaitable, Callable
from typing import Literal

import pytest
from playwright.async_api import Page, expect

from tests.browser.libraries import source
from tests.browser.stage import Stage, stored

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MARKDOWN = """# 제목

**굵게**, *기울임*, `code`, ~~지움~~, [링크](https://example.com)

1. 하나
   - 둘

| 구분 | 값 |
|---|---|
| 매출 | 1,200 |

> 인용

```python
def total(numbers):  # 합계
    return f"{sum(numbers):,}" if numbers else None
```

끝
"""
AXE = """async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`)"""
COUNT_CHANGES = """() => {
    window.said = [];
    const announcer = document.getElementById('announcer');
    const say = () => announcer.textContent && window.said.push(announcer.textContent);
    new MutationObserver(say)
        .observe(announcer, { childList: true, characterData: true, subtree: true });
}"""
RUNNING = "document.getAnimations().filter(({ playState }) => playState === 'running').length"


async def empty(stage: Stage) -> None:
    """Nothing asked yet."""
    await stage.open()


async def streaming(stage: Stage) -> None:
    """An answer halfway."""
    await stage.open(turns=[stored(1)])
    answering = await stage.ask("질문")
    await answering.write(MARKDOWN)
    await expect(stage.page.get_by_test_id("answer").last.locator("table")).to_be_visible()


async def answered(stage: Stage) -> None:
    """An answer with everything Markdown has, and its facts open."""
    await stage.open()
    await stage.answer(MARKDOWN)
    await expect(stage.page.locator(".hl-keyword")).not_to_have_count(0)
    await stage.page.locator(".facts summary").click()


async def failed(stage: Stage) -> None:
    """An error with Retry, under a banner."""
    await stage.open()
    answering = await stage.ask("질문")
    await answering.fail("stalled", "응답 지연", retryable=True)
    await stage.send({"type": "notice", "code": "budget_low", "budget": "session"})
    await expect(stage.page.get_by_test_id("banner")).to_be_visible()


async def helped(stage: Stage) -> None:
    """The help is open."""
    await stage.open()
    await stage.page.keyboard.press("Control+/")
    await expect(stage.page.get_by_test_id("help")).to_be_visible()


async def violations(page: Page) -> list[str]:
    """Return what axe finds wrong with the page as it is."""
    await page.evaluate(source("axe-core/axe.min.js") + "; undefined")
    found: list[str] = await page.evaluate(AXE)
    return found


@pytest.mark.parametrize("state", [empty, streaming, answered, failed, helped])
@pytest.mark.parametrize(
    ("scheme", "locale", "width"), [("light", "ko", 1280), ("dark", "en", 320)]
)
async def test_axe_finds_nothing(
    stage: Stage,
    state: Callable[[Stage], Awaitable[None]],
    scheme: Literal["light", "dark"],
    locale: str,
    width: int,
) -> None:
    """23: no violation in any state, theme, language and width."""
    await stage.page.emulate_media(color_scheme=scheme)
    await stage.page.set_viewport_size({"width": width, "height": 800})
    await stage.page.add_init_script(f"localStorage.setItem('chatgw.locale', '{locale}')")
    await state(stage)
    assert await violations(stage.page) == []


async def test_axe_sees_a_pale_text(stage: Stage) -> None:
    """23, able to fail: with the muted colour too pale axe complains."""
    await stage.spoil("chat.css", {"--muted: light-dark(#5a6268": "--muted: light-dark(#b5b9bd"})
    await stage.page.emulate_media(color_scheme="light")
    await stage.open()
    assert any(found.startswith("color-contrast") for found in await violations(stage.page))


async def test_the_announcer_is_brief(stage: Stage) -> None:
    """23: a short answer of many deltas is announced by its start and its end."""
    await stage.open()
    await stage.page.evaluate(COUNT_CHANGES)
    answering = await stage.ask("질문")
    for _ in range(20):
        await answering.write("단어 ")
        await stage.page.wait_for_timeout(20)
    await answering.end()
    await expect(stage.page.get_by_test_id("copy")).to_be_visible()
    await expect(stage.page.get_by_role("status")).to_have_text("답변이 완료되었습니다.")
    said = await stage.page.evaluate("window.said")
    assert said == ["답변이 시작되었습니다.", "답변이 완료되었습니다."]


async def test_the_same_words_are_said_again(stage: Stage) -> None:
    """Whoever copies two blocks of code hears twice that it was copied."""
    await stage.open()
    await stage.answer("```js\n1\n```\n\n```js\n2\n```\n")
    await stage.page.evaluate(COUNT_CHANGES)
    for button in await stage.page.get_by_test_id("copy-code").all():
        await button.click()
        await expect(button).to_have_text("복사됨")
        await expect(stage.page.get_by_role("status")).to_have_text("복사됨")
    assert await stage.page.evaluate("window.said.slice(-2)") == ["복사됨", "복사됨"]


async def test_nothing_moves_where_motion_is_unwanted(stage: Stage) -> None:
    """25: with reduced motion nothing is animated, not even the dots."""
    await stage.page.emulate_media(reduced_motion="reduce")
    await stage.open()
    await stage.ask("질문")
    await expect(stage.page.get_by_test_id("typing")).to_be_visible()
    assert await stage.page.evaluate(RUNNING) == 0
    behaviour = "v => getComputedStyle(v).scrollBehavior"
    assert await stage.page.locator("#viewport").evaluate(behaviour) == "auto"


async def test_the_dots_move_otherwise(stage: Stage) -> None:
    """25, able to fail: without the wish for less motion there are animations to count."""
    await stage.open()
    await stage.ask("질문")
    await expect(stage.page.get_by_test_id("typing")).to_be_visible()
    assert await stage.page.evaluate(RUNNING) > 0
