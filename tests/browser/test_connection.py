"""Connections that end: which come back, and what the reader is told."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.stage import OUTAGE, Answering, Frame, Stage, stored

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MINUTE = 60_000
# How long the page waits for any frame: after it has said something, after a ping, and at all.
ANSWER, PONG, SILENCE = 5_000, 10_000, 40_000
HIDE = """hidden => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
}"""
DESTROYED = """async () => {
    const { createChat } = await import('/static/js/client.js');
    const heard = [];
    const transport = () => new Proxy({}, { get: (_, name) => () => heard.push(name) });
    const chat = createChat({ url: '/ws', locale: 'ko', transport });
    chat.destroy();
    chat.setLocale('en');
    chat.reconnect();
    chat.check();
    chat.destroy();
    return heard;
}"""


async def hidden(stage: Stage) -> Answering:
    """Let an answer begin, then hide the tab: animation frames come no more."""
    answering = await stage.ask("질문")
    await answering.write("하나")
    await expect(stage.page.get_by_test_id("answer")).to_have_text("하나")
    await stage.page.evaluate("window.requestAnimationFrame = () => 0")
    await stage.page.evaluate(HIDE, True)
    return answering


@pytest.mark.parametrize(
    ("code", "comes_back"),
    [(1012, True), (4000, True), (4111, True), (4500, False), (4501, False), (4777, False)],
)
async def test_a_close_code_says_whether_to_come_back(
    stage: Stage, code: int, comes_back: bool
) -> None:
    """15: 4000 to 4499 reconnect, 4500 to 4999 do not, known or not; a final end is told."""
    await stage.page.clock.install()
    await stage.open()
    await stage.sockets[-1].close(code=code)
    if comes_back:
        await stage.heard("hello", count=2)
        await stage.online()
        return
    await expect(stage.page.locator("body")).to_have_attribute("data-state", "fatal")
    await expect(stage.page.get_by_test_id("banner")).to_contain_text(
        f"연결할 수 없습니다. ({code})"
    )
    await stage.page.clock.run_for(MINUTE)
    assert len(stage.sockets) == 1


async def test_a_page_that_always_comes_back_is_found_out(stage: Stage) -> None:
    """15, able to fail: without the ranges a final close is tried again."""
    await stage.spoil("js/connection.js", {"code <= 4499": "code <= 4999"})
    await stage.open()
    await stage.sockets[-1].close(code=4501)
    await stage.heard("hello", count=2)


async def test_an_outage_is_told_with_a_countdown(stage: Stage) -> None:
    """The banner counts down to the next try, and the button tries at once."""
    await stage.page.add_init_script("Math.random = () => 0.99")
    await stage.page.clock.install()
    await stage.open()
    await stage.lose()
    banner = stage.page.get_by_test_id("banner")
    await expect(banner).to_have_text(re.compile(r"연결이 끊겼습니다\. \d초 후 다시 연결합니다\."))
    stage.refusing = False
    await stage.page.get_by_test_id("reconnect").click()
    await stage.online()
    await expect(banner).to_be_hidden()


async def test_the_end_of_an_outage_is_told(stage: Stage) -> None:
    """Who has heard of the outage hears that it is over; one that nobody was told of is over in silence."""
    await stage.page.add_init_script("Math.random = () => 0.1")
    await stage.page.clock.install()
    await stage.open()
    announcer = stage.page.get_by_role("status")
    await stage.sockets[-1].close(code=1012)
    await stage.heard("hello", count=2)
    await stage.online()
    await stage.page.clock.run_for(OUTAGE)
    await expect(announcer).to_be_empty()
    await stage.lose()
    await expect(stage.page.get_by_test_id("banner")).to_be_visible()
    stage.refusing = False
    await stage.page.get_by_test_id("reconnect").click()
    await stage.online()
    await expect(announcer).to_have_text("다시 연결되었습니다.")


async def test_a_hidden_tab_takes_what_comes(stage: Stage) -> None:
    """21: without animation frames deltas are drawn, and no ping is sent while nobody looks."""
    await stage.page.clock.install()
    await stage.open()
    answering = await hidden(stage)
    await answering.write(" 둘", " 셋")
    await answering.taken()
    await stage.page.clock.run_for(OUTAGE)
    await expect(stage.page.get_by_test_id("answer")).to_have_text("하나 둘 셋")
    assert stage.said("ping") == []
    assert len(stage.sockets) == 1


async def test_a_tab_that_waits_for_frames_is_found_out(stage: Stage) -> None:
    """21, able to fail: a page that only draws in animation frames shows nothing when hidden."""
    await stage.spoil("js/view.js", {"if (document.hidden)": "if (false)"})
    await stage.page.clock.install()
    await stage.open()
    answering = await hidden(stage)
    await answering.write(" 둘")
    await answering.taken()
    await stage.page.clock.run_for(OUTAGE)
    await expect(stage.page.get_by_test_id("answer")).to_have_text("하나")


async def test_coming_back_to_a_tab_checks_the_connection(stage: Stage) -> None:
    """21: a tab that is looked at again asks for a pong."""
    await stage.open()
    await stage.page.evaluate(HIDE, True)
    await stage.page.evaluate(HIDE, False)
    await stage.heard("ping")


async def ask_in_vain(stage: Stage) -> Frame:
    """Open the page, lose the connection without a word, and ask."""
    await stage.page.clock.install()
    await stage.open()
    stage.forgotten = stage.sockets[-1]
    await stage.page.get_by_test_id("composer").fill("질문")
    await stage.page.get_by_test_id("composer").press("Enter")
    return await stage.heard("message")


async def let_go(stage: Stage) -> None:
    """Let pass what it takes until the page has asked for a sign of life, and given up."""
    await stage.page.clock.run_for(ANSWER)
    await stage.heard("ping")
    await stage.page.clock.run_for(PONG)
    await stage.heard("hello", count=2)


async def test_a_question_into_the_void_is_asked_again(stage: Stage) -> None:
    """Where nothing comes after a question, nor a pong, it is asked again on a new connection."""
    message = await ask_in_vain(stage)
    await let_go(stage)
    assert await stage.heard("message", count=2) == message


async def test_a_stop_into_the_void_is_kept(stage: Stage) -> None:
    """Who stops what nobody has taken has it stopped once it is taken, on a new connection."""
    await ask_in_vain(stage)
    await stage.page.get_by_test_id("stop").click()
    await let_go(stage)
    again = await Answering(stage, await stage.heard("message", count=2)).accept()
    assert (await stage.heard("cancel"))["turn_id"] == again.turn_id


async def test_a_running_answer_is_stopped_after_all(stage: Stage) -> None:
    """A Stop that reached nobody is said again on a new connection."""
    await stage.page.clock.install()
    await stage.open()
    answering = await stage.ask("질문")
    await answering.write("하나")
    await answering.taken()
    stage.forgotten = stage.sockets[-1]
    await stage.page.get_by_test_id("stop").click()
    cancel = await stage.heard("cancel")
    turn = stored(1) | {"turn_id": answering.turn_id, "id": answering.id, "end": None}
    stage.ready |= {"turns": [turn], "active_turn": {"turn_id": answering.turn_id}}
    await let_go(stage)
    assert await stage.heard("cancel", count=2) == cancel


async def test_a_resumed_answer_is_waited_for(stage: Stage) -> None:
    """What is asked at once on a new connection, as where an answer goes on, is to be answered too."""
    await stage.page.clock.install()
    active = stored(1) | {"end": None}
    await stage.open(turns=[active], active_turn={"turn_id": active["turn_id"]})
    await stage.heard("resume")
    await stage.page.clock.run_for(ANSWER)
    await stage.heard("ping")


async def test_a_silent_connection_is_checked(stage: Stage) -> None:
    """Without any frame for 40 s the page asks for a pong, and keeps a connection that has one."""
    await stage.page.clock.install()
    await stage.open()
    await stage.page.clock.run_for(SILENCE)
    await stage.heard("ping")
    await stage.send({"type": "notice", "code": "budget_low", "budget": "session"})
    await expect(stage.page.get_by_test_id("banner")).to_be_visible()
    await stage.page.clock.run_for(PONG)
    await stage.page.clock.run_for(SILENCE - PONG)
    await stage.heard("ping", count=2)
    assert len(stage.sockets) == 1


async def test_a_hidden_tab_is_not_checked(stage: Stage) -> None:
    """Silence in a hidden tab is looked into when the tab is looked at."""
    await stage.page.clock.install()
    await stage.open()
    await stage.page.evaluate(HIDE, True)
    await stage.page.clock.run_for(3 * SILENCE)
    await stage.page.evaluate(HIDE, False)
    await stage.answer("답변")
    assert len(stage.said("ping")) == 1


async def test_going_offline_checks_the_connection(stage: Stage) -> None:
    """What the browser says of the network is looked into, not believed."""
    await stage.open()
    await stage.page.context.set_offline(True)
    await stage.heard("ping")
    await expect(stage.page.locator("body")).to_have_attribute("data-state", "online")


async def test_a_destroyed_chat_stays_away(stage: Stage) -> None:
    """Whatever is asked of it: its transport hears nothing after the end."""
    await stage.open()
    assert await stage.page.evaluate(DESTROYED) == ["close"]


async def test_unknown_frames_and_fields_are_ignored(stage: Stage) -> None:
    """22: a newer server may say more than this page understands."""
    await stage.open(colour="teal")
    answering = await stage.ask("질문")
    await stage.send({"type": "weather", "turn_id": answering.turn_id})
    await stage.send({"type": "notice", "code": "sunny"})
    stage.sockets[-1].send("not json")
    await answering.write("답변")
    await answering.end(mood="good")
    await expect(stage.page.get_by_test_id("answer")).to_have_text("답변")
    await expect(stage.page.get_by_test_id("banner")).to_be_hidden()


async def test_a_gap_is_asked_for_once(stage: Stage) -> None:
    """A delta that does not follow on is not shown; what is missing is asked for once."""
    await stage.open()
    answering = await stage.ask("질문")
    await answering.write("하나")
    answering.to = 3
    await answering.write(" 넷", " 다섯")
    assert (await stage.heard("resume"))["after"] == 1
    snapshot = {"type": "snapshot", "turn_id": answering.turn_id, "to": 5}
    await stage.send(snapshot | {"text": "하나 둘 셋 넷 다섯"})
    await answering.end()
    await expect(stage.page.get_by_test_id("answer")).to_have_text("하나 둘 셋 넷 다섯")
    assert len(stage.said("resume")) == 1


async def test_a_notice_can_be_dismissed(stage: Stage) -> None:
    """A notice stays until the reader sends it away."""
    await stage.open()
    await stage.send({"type": "notice", "code": "budget_low", "budget": "session"})
    banner = stage.page.get_by_test_id("banner")
    await expect(banner).to_contain_text("이 대화의 예산이 얼마 남지 않았습니다.")
    await stage.page.get_by_test_id("dismiss").click()
    await expect(banner).to_be_hidden()


async def test_both_budgets_may_run_low(stage: Stage) -> None:
    """Whose budget is low is said, the last to be told first, and each is dismissed by itself."""
    await stage.open()
    for budget in ("session", "day"):
        await stage.send({"type": "notice", "code": "budget_low", "budget": budget})
    text, dismiss = stage.page.locator("#banner-text"), stage.page.get_by_test_id("dismiss")
    await expect(text).to_have_text("오늘의 예산이 얼마 남지 않았습니다.")
    await dismiss.click()
    await expect(text).to_have_text("이 대화의 예산이 얼마 남지 않았습니다.")
    await dismiss.click()
    await expect(stage.page.get_by_test_id("banner")).to_be_hidden()
