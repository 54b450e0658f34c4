"""A turn is seen, stopped and kept alive from any process of the gateway."""

import asyncio
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from gateway.chat.company import ASKING_SECONDS
from gateway.chat.frames import Done, Hello
from gateway.chat.records import FinishReason, StoredTurn
from gateway.chat.relaying import QUIET_SECONDS
from gateway.chat.signals import Cancelled, Ended, Pieces, Started, Wanted
from tests.builders import STOP, an_ask
from tests.fakes import HANG, hurry, idle, pass_time
from tests.stage import end_of, follow, frames, pair, relay, stage


async def test_turn_is_shown_elsewhere() -> None:
    """A turn that runs here is shown to the viewers its session has there, to the same end."""
    gate = asyncio.Event()
    async with pair("Revenue ", gate, "rose.", STOP) as p:
        session, _ = await p.enter()
        turn = await p.begin(session)
        (shown,) = p.far.turns
        viewing = asyncio.create_task(frames(shown))
        await relay(0.3)
        assert shown.answer.text == "Revenue "
        gate.set()
        await relay(0.3)
        seen = await viewing
        assert (shown.id, shown.answer.text) == (turn.id, "Revenue rose.")
        assert end_of(seen) == end_of(await frames(turn))
        assert await shown.accepted() == await turn.accepted()


async def test_turn_begins_while_somebody_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says hello there while a turn begins here sees it, though the store did not hold it yet."""
    async with pair("Revenue ", HANG) as p:
        here, greeting = await p.here.sessions.enter(Hello(), viewer=p.near)
        store, last_turns = p.there.store, p.there.store.last_turns

        async def slow(*what: Any, **more: Any) -> tuple[StoredTurn, ...]:
            turns = await last_turns(*what, **more)
            await p.begin(here)
            await relay(0.1)
            return turns

        monkeypatch.setattr(store, "last_turns", slow)
        hello = Hello(session=greeting.session)
        _, ready = await p.there.sessions.enter(hello, viewer=p.far)
        assert ready.turns == ()
        (shown,) = p.far.turns
        await relay(0.3)
        assert shown.answer.text == "Revenue "


async def test_turn_of_strangers_is_not_shown() -> None:
    """A process that has no viewers of the session shows nothing and asks for nothing."""
    async with pair("Revenue", HANG) as p:
        session, there = await p.enter()
        p.there.sessions.leave(there, viewer=p.far)
        await p.begin(session)
        await relay(0.3)
        assert p.far.turns == []
        assert not any(isinstance(signal, Wanted) for signal in p.here.relay.told)


async def test_nothing_is_published_unasked() -> None:
    """As long as nobody elsewhere watches, an answer costs the relay nothing."""
    async with pair("Revenue", HANG) as p:
        session, there = await p.enter()
        p.there.sessions.leave(there, viewer=p.far)
        turn = await p.begin(session)
        await relay(0.3)
        assert await p.here.relay.read(turn.id, after="0") == []


async def test_found_elsewhere_is_followed() -> None:
    """A turn found in the store that runs elsewhere is followed from what is stored of it."""
    async with pair("Revenue ", "rose", HANG) as p:
        session, there = await p.enter()
        p.there.sessions.leave(there, viewer=p.far)
        turn = await p.begin(session)
        await p.checkpoint(turn, text="Revenue ")
        there = await p.there.enter(session=p.token)
        found = await p.there.service.find_turn(there, turn.id)
        assert (found.answer.text, found.end) == ("Revenue ", None)
        assert await p.there.service.find_turn(there, turn.id) is found
        await relay(0.3)
        assert (found.answer.text, found.answer.position) == ("Revenue rose", 2)


async def test_same_question_asked_elsewhere() -> None:
    """The same id asked in another process is the running turn, and no second call."""
    gate = asyncio.Event()
    async with pair("Revenue ", gate, "rose.", STOP) as p:
        here, there = await p.enter()
        ask = an_ask()
        turn = p.here.service.handle_message(here, ask).turn
        await idle()
        again = p.there.service.handle_message(there, ask).turn
        viewing = asyncio.create_task(frames(again))
        await relay(0.3)
        gate.set()
        await relay(0.3)
        seen = await viewing
        assert end_of(seen) == end_of(await frames(turn))
        assert p.there.upstream.asked == []


async def test_stopped_from_elsewhere() -> None:
    """A turn is cancelled by a word from any process."""
    async with pair("Revenue", HANG) as p:
        here, there = await p.enter()
        turn = await p.begin(here)
        await p.there.service.cancel(there, turn.id)
        await idle()
        done = end_of(await frames(turn))
        assert isinstance(done, Done)
        assert done.finish_reason is FinishReason.CANCELLED


async def test_stop_is_left_in_the_store() -> None:
    """Where the relay loses the word the store keeps it, for the next checkpoint."""
    async with pair("Revenue", HANG) as p:
        here, there = await p.enter()
        turn = await p.begin(here)
        p.here.relay.lost = True
        await p.there.service.cancel(there, turn.id)
        assert p.here.store.cancels == {turn.id}


async def test_only_the_named_turn_is_stopped() -> None:
    """A word about one turn stops no other."""
    async with pair("Revenue", HANG) as p:
        here, _ = await p.enter()
        await p.begin(here)
        await p.here.relay.tell(Cancelled(origin=uuid4(), turn_id=uuid4()))
        await idle()
        assert here.active is not None


async def test_lost_relay_is_made_up_for_by_the_store() -> None:
    """Without the relay a viewer elsewhere still gets the text as it is stored, and the end."""
    async with pair("Revenue ", HANG) as p:
        here, there = await p.enter()
        p.here.relay.lost = True
        turn = await p.begin(here)
        found = await p.there.service.find_turn(there, turn.id)
        viewing = asyncio.create_task(follow(found))
        await p.checkpoint(turn, text="Revenue ")
        await relay(QUIET_SECONDS)
        assert found.answer.text == "Revenue "
        await p.here.service.cancel(here, turn.id)
        await relay(QUIET_SECONDS + 0.2)
        told, known = end_of(await viewing), end_of(await frames(turn))
        assert (told.turn_id, told.to, told.cost_usd) == (turn.id, 1, known.cost_usd)


async def test_store_down_meanwhile() -> None:
    """Where neither relay nor store answers a viewer elsewhere waits until one does."""
    async with pair("Revenue ", HANG) as p:
        here, there = await p.enter()
        p.here.relay.lost = True
        turn = await p.begin(here)
        found = await p.there.service.find_turn(there, turn.id)
        await p.here.service.cancel(here, turn.id)
        await idle()
        p.here.store.fail()
        await relay(QUIET_SECONDS)
        assert found.end is None
        p.here.store.recover()
        await relay(QUIET_SECONDS)
        assert isinstance(found.end, Done)


async def test_gap_is_asked_for_again() -> None:
    """A part that does not follow on what is known is not taken; what is missing is asked for."""
    async with pair("Revenue ", "rose", HANG) as p:
        here, there = await p.enter()
        p.here.relay.lost = True
        turn = await p.begin(here)
        found = await p.there.service.find_turn(there, turn.id)
        await relay(0.1)
        p.here.relay.lost = False
        await p.here.relay.publish(turn.id, [Pieces(start=1, texts=("rose",))])
        await relay(0.3)
        assert found.answer.text == "Revenue rose"


async def test_end_before_its_text_waits() -> None:
    """An end is not shown before all of the text is."""
    async with pair("Revenue ", HANG) as p:
        here, there = await p.enter()
        p.here.relay.lost = True
        turn = await p.begin(here)
        found = await p.there.service.find_turn(there, turn.id)
        await p.here.service.cancel(here, turn.id)
        end = end_of(await frames(turn))
        p.here.relay.lost = False
        await p.here.relay.publish(turn.id, [Ended(to=1, end=end)])
        await relay(0.3)
        assert (found.answer.text, found.end) == ("", None)
        await relay(QUIET_SECONDS)
        assert found.answer.text == "Revenue "


async def test_parts_twice_are_taken_once() -> None:
    """Parts that are published again, to somebody who came late, are not shown twice."""
    async with pair("Revenue ", "rose", HANG) as p:
        here, _ = await p.enter()
        turn = await p.begin(here)
        (shown,) = p.far.turns
        await relay(0.3)
        await p.here.relay.tell(Wanted(origin=uuid4(), turn_id=turn.id, after=0))
        await relay(0.3)
        assert (shown.answer.text, shown.answer.position) == ("Revenue rose", 2)


async def test_request_for_a_turn_that_does_not_run_here() -> None:
    """A process that is asked for a turn it does not run says nothing."""
    async with pair("Revenue ", HANG) as p:
        here, _ = await p.enter()
        await p.begin(here)
        unknown = uuid4()
        await p.here.relay.tell(Wanted(origin=uuid4(), turn_id=unknown, after=0))
        await relay(0.3)
        assert await p.here.relay.read(unknown, after="0") == []


async def test_own_words_are_not_heard() -> None:
    """A process does not show its own turns a second time."""
    async with pair("Revenue ", HANG) as p:
        here, _ = await p.enter()
        turn = await p.begin(here)
        await relay(0.3)
        assert p.near.turns == [turn]


async def test_process_by_itself_tells_nobody() -> None:
    """A process that has no other beside it announces no turns."""
    async with stage((STOP,)) as alone:
        await idle()
        await pass_time(ASKING_SECONDS)
        session = await alone.enter()
        await alone.ask(session)
        assert not any(isinstance(signal, Started) for signal in alone.relay.told)


async def test_newcomer_is_answered() -> None:
    """A process that begins beside another hears of it at once, and neither thinks that it is alone."""
    async with pair("Revenue", HANG) as p:
        await idle()
        await pass_time(ASKING_SECONDS)
        here, _ = await p.enter()
        turn = await p.begin(here)
        assert [shown.id for shown in p.far.turns] == [turn.id]


async def test_turn_of_an_unknown_session() -> None:
    """A turn of a session nobody opened here is passed over."""
    async with pair("Revenue ", HANG) as p:
        here, _ = await p.enter()
        await p.begin(here)
        (started,) = (s for s in p.here.relay.told if isinstance(s, Started))
        stranger = msgspec.structs.replace(started, origin=uuid4(), session_id=uuid4())
        await p.here.relay.tell(stranger)
        await idle()
        assert p.far.turns[1:] == []


async def test_closing_tells_how_turns_ended() -> None:
    """A process that ends tells the others how its turns ended before it is gone."""
    async with pair("Revenue", HANG) as p:
        here, _ = await p.enter()
        turn = await p.begin(here)
        (shown,) = p.far.turns
        await relay(0.3)
        await p.here.service.close(seconds=1)
        await hurry(p.here.relaying.close())
        await relay(0.3)
        assert shown.end == end_of(await frames(turn))
