"""PostgresStore.history: what the next prompt may quote."""

from uuid import UUID

from gateway.backends.store import PostgresStore
from gateway.chat.records import Partial, Role, TurnState
from tests.builders import a_message, a_new_turn, an_outcome
from tests.integration.steps import EXPIRED, answered, begun


async def quoted(store: PostgresStore, session_id: UUID) -> list[str]:
    """Return the answers that the next prompt would quote."""
    history = await store.history(session_id, before=1000, messages=20)
    return [exchange.answer.text for exchange in history.exchanges]


async def test_history_is_the_last_exchanges(store: PostgresStore, session_id: UUID) -> None:
    """History is the last exchanges below a number, oldest first, with their token counts."""
    for number in range(1, 6):
        question = a_message(f"Question {number}", tokens=number)
        await answered(store, a_new_turn(session_id, question=question), text=f"{number}.")
    history = await store.history(session_id, before=5, messages=3)
    assert history.last_turn == 4
    assert [e.question for e in history.exchanges] == [
        a_message("Question 3", tokens=3),
        a_message("Question 4", tokens=4),
    ]
    assert [e.answer for e in history.exchanges] == [
        a_message("3.", role=Role.ASSISTANT, tokens=2),
        a_message("4.", role=Role.ASSISTANT, tokens=2),
    ]


async def test_history_of_no_messages(store: PostgresStore, session_id: UUID) -> None:
    """Asked for no messages, history holds none."""
    await answered(store, a_new_turn(session_id))
    assert (await store.history(session_id, before=2, messages=0)).exchanges == ()


async def test_history_without_empty_answers(store: PostgresStore, session_id: UUID) -> None:
    """A question that got no word in answer is not quoted; half an answer is."""
    await answered(store, a_new_turn(session_id), text="")
    turn = await begun(store, a_new_turn(session_id))
    cancelled = an_outcome(state=TurnState.CANCELLED, text="Half")
    await store.finish_turn(turn.id, cancelled)
    await store.accept_turn(a_new_turn(session_id))
    assert await quoted(store, session_id) == ["Half"]


async def test_an_answer_asked_anew_is_replaced(store: PostgresStore, session_id: UUID) -> None:
    """An answer that was regenerated is quoted no more, however often that was."""
    turn = await answered(store, a_new_turn(session_id), text="First.")
    turn = await answered(store, a_new_turn(session_id, regenerate_of=turn.id), text="Second.")
    await answered(store, a_new_turn(session_id, regenerate_of=turn.id), text="Third.")
    assert await quoted(store, session_id) == ["Third."]


async def test_a_failed_regeneration_replaces_nothing(
    store: PostgresStore, session_id: UUID
) -> None:
    """An answer stays while the one that should replace it is empty."""
    turn = await answered(store, a_new_turn(session_id), text="First.")
    await answered(store, a_new_turn(session_id, regenerate_of=turn.id), text="")
    assert await quoted(store, session_id) == ["First."]


async def test_an_interrupted_answer_is_counted(store: PostgresStore, session_id: UUID) -> None:
    """The text of a dead process is quoted with as many tokens as it can have at most."""
    turn = a_new_turn(session_id)
    await store.accept_turn(turn)
    await store.checkpoint([Partial(turn_id=turn.id, text="금액", pieces=1)], lease=EXPIRED)
    await store.accept_turn(a_new_turn(session_id))
    (exchange,) = (await store.history(session_id, before=2, messages=20)).exchanges
    assert exchange.answer == a_message("금액", role=Role.ASSISTANT, tokens=6)
