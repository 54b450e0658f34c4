"""PostgresStore: sessions and turns are durable, counted once and never run twice."""

import asyncio
from uuid import UUID, uuid4

import pytest

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.chat.codes import Code
from gateway.chat.errors import Busy, ReportNotFound, SessionNotFound, UnknownTurn
from gateway.chat.records import (
    Accepted,
    Duplicate,
    Partial,
    TurnState,
)
from gateway.dev.embedded_server import EmbeddedServer
from tests.builders import a_new_turn, a_report, an_outcome
from tests.integration.steps import EXPIRED, TOKEN, answered, begun


async def test_a_session_is_found_by_its_token(store: PostgresStore) -> None:
    """A session that was opened is found again."""
    opened = await store.open_session(TOKEN, report_id=None)
    assert await store.find_session(TOKEN) == opened


async def test_an_unknown_token(store: PostgresStore) -> None:
    """A token of no session raises SessionNotFound."""
    with pytest.raises(SessionNotFound):
        await store.find_session(TOKEN)


async def test_a_session_about_an_unknown_report(store: PostgresStore) -> None:
    """A session cannot be about a report that is not there."""
    with pytest.raises(ReportNotFound):
        await store.open_session(TOKEN, report_id="nothing")


async def test_a_session_keeps_its_report(store: PostgresStore) -> None:
    """Importing a changed report changes it for new sessions only."""
    await store.import_reports([a_report(headline="Old")])
    await store.open_session(b"before", report_id="r1")
    await store.import_reports([a_report(headline="New")])
    await store.open_session(b"after", report_id="r1")
    before = (await store.find_session(b"before")).report
    after = (await store.find_session(b"after")).report
    assert before is not None
    assert after is not None
    assert (before.headline, after.headline) == ("Old", "New")


async def test_a_session_knows_what_it_spent(store: PostgresStore, session_id: UUID) -> None:
    """What a session spent is the sum over its turns, in whole nano-dollars."""
    for _ in range(2):
        await answered(store, a_new_turn(session_id), cost_nano=3_000_000_001)
    assert (await store.find_session(TOKEN)).spent_nano == 6_000_000_002


async def test_turns_are_numbered(store: PostgresStore, session_id: UUID) -> None:
    """Turns are numbered from 1 in each session."""
    other = (await store.open_session(b"other", report_id=None)).id
    assert await store.accept_turn(a_new_turn(other)) == Accepted(1)
    await answered(store, a_new_turn(session_id))
    assert await store.accept_turn(a_new_turn(session_id)) == Accepted(2)


async def test_a_client_id_is_taken_once(store: PostgresStore, session_id: UUID) -> None:
    """The same client id again returns the first turn, answered or not."""
    turn = await begun(store, a_new_turn(session_id))
    again = await store.accept_turn(a_new_turn(session_id, client_id=turn.client_id))
    assert isinstance(again, Duplicate)
    assert (again.turn.id, again.turn.outcome) == (turn.id, None)
    await store.finish_turn(turn.id, an_outcome())
    again = await store.accept_turn(a_new_turn(session_id, client_id=turn.client_id))
    assert isinstance(again, Duplicate)
    assert again.turn.outcome == an_outcome()


async def test_a_client_id_belongs_to_a_session(store: PostgresStore, session_id: UUID) -> None:
    """The same client id in another session is another turn."""
    turn = await answered(store, a_new_turn(session_id))
    other = (await store.open_session(b"other", report_id=None)).id
    same = a_new_turn(other, client_id=turn.client_id)
    assert await store.accept_turn(same) == Accepted(1)


async def test_one_turn_runs(store: PostgresStore, session_id: UUID) -> None:
    """Another question while one runs is refused as Busy."""
    await store.accept_turn(a_new_turn(session_id))
    with pytest.raises(Busy):
        await store.accept_turn(a_new_turn(session_id))


async def test_a_race_of_one_client_id(
    store: PostgresStore, session_id: UUID, postgres: EmbeddedServer
) -> None:
    """Ten times the same question at once, from two processes, is one turn and nine duplicates."""
    client_id = uuid4()
    other = Database(postgres.url)
    stores = [store, PostgresStore(other)] * 5
    taken = await asyncio.gather(
        *(s.accept_turn(a_new_turn(session_id, client_id=client_id)) for s in stores)
    )
    assert sum(isinstance(one, Accepted) for one in taken) == 1
    assert len({one.turn.id for one in taken if isinstance(one, Duplicate)}) == 1
    await other.close()


@pytest.mark.parametrize("earlier", ["nothing", "an answer", "a dead process"])
async def test_a_race_of_questions(
    store: PostgresStore, session_id: UUID, postgres: EmbeddedServer, earlier: str
) -> None:
    """Of ten different questions at once one is taken, and the others are told Busy."""
    if earlier == "an answer":
        await answered(store, a_new_turn(session_id))
    if earlier == "a dead process":
        await store.accept_turn(a_new_turn(session_id, lease=EXPIRED))
    other = Database(postgres.url)
    stores = [store, PostgresStore(other)] * 5
    taken = await asyncio.gather(
        *(s.accept_turn(a_new_turn(session_id)) for s in stores), return_exceptions=True
    )
    assert sum(isinstance(one, Accepted) for one in taken) == 1
    assert sum(isinstance(one, Busy) for one in taken) == 9
    await other.close()


async def test_a_dead_process_does_not_block(store: PostgresStore, session_id: UUID) -> None:
    """A turn whose lease has expired is interrupted, and the next question is taken."""
    turn = a_new_turn(session_id, lease=EXPIRED)
    await store.accept_turn(turn)
    assert await store.accept_turn(a_new_turn(session_id)) == Accepted(2)
    found = await store.find_turn(session_id, turn.id)
    assert found.outcome is not None
    assert (found.state, found.outcome.code) == (TurnState.INTERRUPTED, Code.INTERRUPTED)


async def test_an_expired_turn_looks_interrupted(store: PostgresStore, session_id: UUID) -> None:
    """A turn whose lease has expired is shown interrupted with its text, though nobody marked it."""
    turn = a_new_turn(session_id)
    await store.accept_turn(turn)
    await store.checkpoint([Partial(turn_id=turn.id, text="Half an", pieces=2)], lease=EXPIRED)
    (found,) = await store.last_turns(session_id, limit=5)
    assert found.state is TurnState.INTERRUPTED
    assert found.outcome is not None
    assert (found.outcome.code, found.outcome.finish_reason) == (Code.INTERRUPTED, None)
    assert (found.outcome.text, found.outcome.pieces) == ("Half an", 2)


async def test_asking_again_after_a_crash(store: PostgresStore, session_id: UUID) -> None:
    """The client id of a turn whose process died returns it as interrupted."""
    turn = a_new_turn(session_id, lease=EXPIRED)
    await store.accept_turn(turn)
    again = await store.accept_turn(a_new_turn(session_id, client_id=turn.client_id))
    assert isinstance(again, Duplicate)
    assert again.turn.state is TurnState.INTERRUPTED


async def test_a_checkpoint_keeps_a_turn_alive(store: PostgresStore, session_id: UUID) -> None:
    """A checkpoint extends the lease, and the turn streams once there is text."""
    turn = a_new_turn(session_id, lease=EXPIRED)
    await store.accept_turn(turn)
    await store.checkpoint([Partial(turn_id=turn.id, text="", pieces=0)], lease=15)
    assert (await store.find_turn(session_id, turn.id)).state is TurnState.ACCEPTED
    await store.checkpoint([Partial(turn_id=turn.id, text="He", pieces=1)], lease=15)
    assert (await store.find_turn(session_id, turn.id)).state is TurnState.STREAMING


async def test_a_checkpoint_of_many(store: PostgresStore, session_id: UUID) -> None:
    """One checkpoint saves many turns, each its own text."""
    other = (await store.open_session(b"other", report_id=None)).id
    turns = [a_new_turn(session_id), a_new_turn(other)]
    for turn in turns:
        await store.accept_turn(turn)
    partials = [Partial(turn_id=t.id, text=str(t.session_id), pieces=1) for t in turns]
    await store.checkpoint(partials, lease=EXPIRED)
    for turn in turns:
        found = (await store.find_turn(turn.session_id, turn.id)).outcome
        assert found is not None
        assert found.text == str(turn.session_id)


async def test_a_late_checkpoint(store: PostgresStore, session_id: UUID) -> None:
    """A checkpoint that comes after the end changes nothing."""
    turn = await answered(store, a_new_turn(session_id), text="Whole.")
    await store.checkpoint([Partial(turn_id=turn.id, text="Wh", pieces=1)], lease=15)
    found = await store.find_turn(session_id, turn.id)
    assert found.outcome is not None
    assert found.outcome.text == "Whole."


async def test_a_checkpoint_of_a_turn_given_up(store: PostgresStore, session_id: UUID) -> None:
    """A turn that was given up, whose process turns out to live, runs again."""
    turn = a_new_turn(session_id, lease=EXPIRED)
    await store.accept_turn(turn)
    assert await store.expire() == 1
    await store.checkpoint([Partial(turn_id=turn.id, text="He", pieces=1)], lease=15)
    found = await store.find_turn(session_id, turn.id)
    assert (found.state, found.outcome) == (TurnState.STREAMING, None)


async def test_a_turn_given_up_for_another(store: PostgresStore, session_id: UUID) -> None:
    """A turn that was given up for the next question does not run again beside it."""
    turn = a_new_turn(session_id, lease=EXPIRED)
    await store.accept_turn(turn)
    await store.accept_turn(a_new_turn(session_id))
    await store.checkpoint([Partial(turn_id=turn.id, text="He", pieces=1)], lease=15)
    assert (await store.find_turn(session_id, turn.id)).state is TurnState.INTERRUPTED


async def test_an_outcome_is_kept_whole(store: PostgresStore, session_id: UUID) -> None:
    """Everything an outcome tells is read back."""
    outcome = an_outcome(shortened=True, cost_nano=2**40, text="금액 100% '\\ 😀")
    turn = await begun(store, a_new_turn(session_id))
    await store.finish_turn(turn.id, outcome)
    found = await store.find_turn(session_id, turn.id)
    assert (found.outcome, found.question) == (outcome, turn.question.text)
    assert found.asked_at.utcoffset() is not None


async def test_a_failure_is_kept(store: PostgresStore, session_id: UUID) -> None:
    """A turn that failed keeps its code and what it had of an answer."""
    outcome = an_outcome(state=TurnState.FAILED, finish_reason=None, code=Code.STALLED)
    turn = await begun(store, a_new_turn(session_id))
    await store.finish_turn(turn.id, outcome)
    assert (await store.find_turn(session_id, turn.id)).outcome == outcome


async def test_the_first_end_counts(store: PostgresStore, session_id: UUID) -> None:
    """Saving an end again, or another one, changes nothing."""
    turn = await answered(store, a_new_turn(session_id), text="First.")
    before = await store.find_turn(session_id, turn.id)
    await store.finish_turn(turn.id, an_outcome(text="Second."))
    assert await store.find_turn(session_id, turn.id) == before


async def test_the_real_end_counts(store: PostgresStore, session_id: UUID) -> None:
    """A turn given up by its lease, whose process lived, ends as that process says; once."""
    turn = await begun(store, a_new_turn(session_id, lease=EXPIRED))
    await store.accept_turn(a_new_turn(session_id))
    await store.finish_turn(turn.id, an_outcome())
    await store.finish_turn(turn.id, an_outcome(text="Other."))
    found = await store.find_turn(session_id, turn.id)
    assert (found.state, found.outcome) == (TurnState.ANSWERED, an_outcome())


async def test_a_turn_of_another_session(store: PostgresStore, session_id: UUID) -> None:
    """A turn is found only in its own session."""
    turn = await answered(store, a_new_turn(session_id))
    other = (await store.open_session(b"other", report_id=None)).id
    with pytest.raises(UnknownTurn):
        await store.find_turn(other, turn.id)


async def test_the_last_turns(store: PostgresStore, session_id: UUID) -> None:
    """The last turns, of all or below a number, come oldest first, the running one included."""
    for _ in range(3):
        await answered(store, a_new_turn(session_id))
    await store.accept_turn(a_new_turn(session_id))
    turns = await store.last_turns(session_id, limit=2)
    assert [(turn.number, turn.outcome is None) for turn in turns] == [(3, False), (4, True)]
    earlier = await store.last_turns(session_id, limit=2, before=4)
    assert [turn.number for turn in earlier] == [2, 3]
    assert await store.last_turns(session_id, limit=2, before=1) == ()
