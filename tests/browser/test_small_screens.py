"""Short screens, and text of twice the size: nothing is out of sight, and there is room to read."""

import pytest
from playwright.async_api import expect

from tests.browser.stage import Stage, stored

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# A screen of 1280 by 1024 at 400 %, and phones with text at 200 %.
SMALL = [(320, 256, 100), (390, 844, 200), (320, 640, 200)]
ORDINARY = [(1280, 800), (390, 844), (320, 640)]
LINES = 4
ENLARGE = """addEventListener('DOMContentLoaded', () => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync('html { font-size: SIZE% !important; }');
    document.adoptedStyleSheets = [sheet];
});"""
LINES_SHOWN = "v => v.clientHeight / parseFloat(getComputedStyle(v).lineHeight)"
OFF_SCREEN = """() => Array.from(document.querySelectorAll('.bar :is(button, select)'))
    .filter((e) => e.getBoundingClientRect().right > innerWidth).map((e) => e.id)"""
SIZES = """() => {
    const { scrollWidth, scrollHeight } = document.documentElement;
    return [scrollWidth, scrollHeight];
}"""
LINES_OF = """e => {
    const range = document.createRange();
    range.selectNodeContents(e);
    return new Set(Array.from(range.getClientRects(), ({ top }) => top)).size;
}"""


async def talk(stage: Stage, width: int, height: int, size: int, locale: str) -> None:
    """Have a long conversation on such a screen, under a notice."""
    await stage.page.set_viewport_size({"width": width, "height": height})
    await stage.page.add_init_script(ENLARGE.replace("SIZE", str(size)))
    await stage.page.add_init_script(f"localStorage.setItem('chatgw.locale', '{locale}')")
    text = "긴 문단입니다.\n\n" * 20
    await stage.open(turns=[stored(number, text=text) for number in (1, 2, 3)])
    await stage.send({"type": "notice", "code": "budget_low", "budget": "session"})
    await expect(stage.page.get_by_test_id("banner")).to_be_visible()


@pytest.mark.parametrize("locale", ["ko", "en"])
@pytest.mark.parametrize(("width", "height", "size"), SMALL)
async def test_the_conversation_keeps_some_lines(
    stage: Stage, width: int, height: int, size: int, locale: str
) -> None:
    """Whatever else wants to be on the screen, four lines of the conversation can be read at once."""
    await talk(stage, width, height, size, locale)
    assert await stage.page.locator("#viewport").evaluate(LINES_SHOWN) > LINES


@pytest.mark.parametrize("locale", ["ko", "en"])
@pytest.mark.parametrize(("width", "height", "size"), SMALL)
async def test_every_button_of_the_bar_is_on_the_screen(
    stage: Stage, width: int, height: int, size: int, locale: str
) -> None:
    """The bar takes a second line rather than leave a button out; the page is as wide as the screen."""
    await talk(stage, width, height, size, locale)
    assert await stage.page.evaluate(OFF_SCREEN) == []
    assert (await stage.page.evaluate(SIZES))[0] == width


@pytest.mark.parametrize(("width", "height", "size"), SMALL)
async def test_nothing_covers_what_can_be_clicked(
    stage: Stage, width: int, height: int, size: int
) -> None:
    """An answer can be asked for anew, and the line below the question be read."""
    await talk(stage, width, height, size, "ko")
    await stage.page.get_by_test_id("regenerate").last.click()
    await stage.heard("message")
    await stage.page.evaluate("document.activeElement.blur()")
    await stage.page.mouse.move(width / 2, 10)
    await stage.page.mouse.wheel(0, 10_000)
    await expect(stage.page.locator(".small-print")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(("width", "height"), ORDINARY)
async def test_an_ordinary_screen_does_not_scroll(stage: Stage, width: int, height: int) -> None:
    """Where there is room only the conversation scrolls, however long it is."""
    await talk(stage, width, height, 100, "ko")
    await stage.page.locator("#viewport").evaluate("v => v.scrollTo(0, 0)")
    assert await stage.page.evaluate(SIZES) == [width, height]


async def test_who_reads_in_the_chat_needs_no_report(stage: Stage) -> None:
    """On a short screen the report makes room for who scrolls with the keyboard, and is back afterwards."""
    await talk(stage, 640, 400, 100, "ko")
    report, viewport = stage.page.get_by_test_id("report-headline"), stage.page.locator("#viewport")
    await expect(report).to_be_visible()
    lines = await viewport.evaluate(LINES_SHOWN)
    await viewport.focus()
    await expect(report).to_be_hidden()
    assert await viewport.evaluate(LINES_SHOWN) > lines
    await stage.page.get_by_test_id("more").focus()
    await expect(report).to_be_visible()


async def test_a_button_stays_under_the_pointer(stage: Stage) -> None:
    """On a short screen the report does not make room between the press of a button and its release."""
    await stage.page.set_viewport_size({"width": 640, "height": 400})
    await stage.open()
    await stage.page.get_by_test_id("suggestion").first.click()
    await expect(stage.page.get_by_test_id("question")).to_have_text("요약해 줘")


async def test_the_help_is_not_squeezed(stage: Stage) -> None:
    """On the narrowest screen no explanation of the help takes more than two lines."""
    await stage.page.set_viewport_size({"width": 320, "height": 640})
    await stage.open()
    await stage.page.keyboard.press("Control+/")
    for meaning in await stage.page.locator("#help dd").all():
        assert await meaning.evaluate(LINES_OF) <= 2


async def test_a_name_of_a_fact_is_one_line(stage: Stage) -> None:
    """On the narrowest screen "추적 ID" stays together beside its long value."""
    await talk(stage, 320, 640, 100, "ko")
    await stage.page.locator(".facts summary").last.click()
    await expect(stage.page.locator(".facts[open] dt")).not_to_have_count(0)
    for name in await stage.page.locator(".facts[open] dt").all():
        assert await name.evaluate(LINES_OF) == 1
