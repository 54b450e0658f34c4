"""Which report the page is about, and what it does as long as nobody says."""

import re

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.browser.stage import OUTAGE, REPORT, Stage
from tests.browser.test_running_answers import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Longer than any pause before the list is asked for again, and shorter than a silence that the page would
# look into.
WHILE = 30_000
# The pause before a try is a part of half a second, at random.
AT_LAST, NEVER = "Math.random = () => 0.99", "Math.random = () => 1_000"
DISABLED, UNREACHABLE = 501, 0


class Shelf:
    """What `/api/reports` answers: a status, or nothing at all; and how often it was asked."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.reports = [REPORT]
        self.calls = 0

    async def serve(self, route: Route) -> None:
        """Answer a call."""
        self.calls += 1
        if self.status == UNREACHABLE:
            await route.abort()
        else:
            await route.fulfill(status=self.status, json=self.reports)


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    """A page that may complain: of each failed call the browser itself writes to the console."""
    page = await context.new_page()
    await page.add_init_script(AT_LAST)
    return page


async def arrive(stage: Stage, *, status: int, query: str = "") -> Shelf:
    """Open the page with a clock, where the list of reports is answered with `status`."""
    shelf = Shelf(status)
    await stage.page.route("**/api/reports", shelf.serve)
    await stage.page.clock.install()
    await stage.arrive(stage.url() + query)
    await until(lambda: shelf.calls > 0)
    return shelf


@pytest.mark.parametrize("status", [UNREACHABLE, 403, 503])
async def test_no_list_is_an_outage(stage: Stage, status: int) -> None:
    """Without a list nobody knows the newest report: the page tells of an outage and opens no chat."""
    await arrive(stage, status=status)
    await stage.page.clock.run_for(OUTAGE)
    banner = stage.page.get_by_test_id("banner")
    await expect(banner).to_contain_text(re.compile(r"\d초 후 다시 연결합니다\."))
    await stage.page.get_by_test_id("new-conversation").click()
    await stage.drawn()
    await expect(stage.page.get_by_test_id("report-picker")).to_be_disabled()
    assert stage.sockets == []


async def test_a_late_list_brings_the_conversation_back(stage: Stage) -> None:
    """When the list comes the reader is where they were: with the session of the newest report."""
    await stage.page.add_init_script("localStorage.setItem('chatgw.session.spring', 'kept')")
    shelf = await arrive(stage, status=503)
    await stage.page.clock.run_for(OUTAGE)
    shelf.status = 200
    await stage.page.clock.run_for(WHILE)
    assert (await stage.heard("hello"))["session"] == "kept"
    await stage.online()
    await expect(stage.page.get_by_test_id("banner")).to_be_hidden()
    await expect(stage.page.get_by_test_id("report-headline")).to_have_text(REPORT["headline"])


async def test_the_button_asks_for_the_list_at_once(stage: Stage) -> None:
    """Who does not want to wait for the next try need not."""
    await stage.page.add_init_script(NEVER)
    shelf = await arrive(stage, status=503)
    await stage.page.clock.run_for(OUTAGE)
    shelf.status = 200
    await stage.page.get_by_test_id("reconnect").click()
    assert (await stage.heard("hello"))["report_id"] == "spring"


async def test_a_report_in_the_address_needs_no_list(stage: Stage) -> None:
    """The chat opens at once; what can be picked is there when the list is."""
    shelf = await arrive(stage, status=503, query="/?report=spring")
    assert (await stage.heard("hello"))["report_id"] == "spring"
    await stage.online()
    picker = stage.page.get_by_test_id("report-picker")
    await expect(picker).to_be_disabled()
    await expect(picker.locator("option")).to_have_text(REPORT["headline"])
    await expect(stage.page.get_by_test_id("banner")).to_be_hidden()
    shelf.status = 200
    await stage.page.clock.run_for(WHILE)
    await expect(picker).to_be_enabled()
    await expect(picker).to_have_value("spring")
    assert len(stage.sockets) == 1


async def test_where_no_list_is_served_the_address_must_name_a_report(stage: Stage) -> None:
    """With `[rest] enabled=no` and no report in the address a banner says so for good."""
    shelf = await arrive(stage, status=DISABLED)
    banner = stage.page.get_by_test_id("banner")
    await expect(banner).to_contain_text("주소에 리포트를 지정해 주세요. (?report=…)")
    await stage.page.get_by_test_id("locale").click()
    await expect(banner).to_contain_text("The address must name a report (?report=…).")
    await stage.page.clock.run_for(WHILE)
    assert shelf.calls == 1
    assert stage.sockets == []


async def test_where_no_list_is_served_a_named_report_is_enough(stage: Stage) -> None:
    """With `[rest] enabled=no` the page is about the report of the address, and asks for no list again."""
    shelf = await arrive(stage, status=DISABLED, query="/?report=spring")
    await stage.online()
    await expect(stage.page.get_by_test_id("report-headline")).to_have_text(REPORT["headline"])
    await stage.page.clock.run_for(WHILE)
    await expect(stage.page.get_by_test_id("banner")).to_be_hidden()
    assert shelf.calls == 1


async def test_an_empty_list_is_no_obstacle(stage: Stage) -> None:
    """Where there are no reports the chat is about none."""
    shelf = Shelf(200)
    shelf.reports = []
    await stage.page.route("**/api/reports", shelf.serve)
    await stage.open(report=None, suggestions=[])
    assert "report_id" not in await stage.heard("hello")
    picker = stage.page.get_by_test_id("report-picker")
    await expect(picker.locator("option")).to_have_text("선택할 수 있는 리포트가 없습니다")
