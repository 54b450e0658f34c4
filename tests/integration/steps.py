"""What the tests of the store do again and again."""

from gateway.backends.store import PostgresStore
from gateway.chat.records import Accepted, NewTurn
from tests.builders import an_outcome

TOKEN = b"\x00hash of a token\xff"
# A lease of this many seconds has expired by the next statement.
EXPIRED = -1.0
# Set aside for each turn, and far below what anybody may spend.
RESERVED_NANO = 2**41
PLENTY_NANO = 2**60


async def begun(store: PostgresStore, turn: NewTurn) -> NewTurn:
    """Begin `turn` and set money aside for it."""
    assert isinstance(await store.accept_turn(turn), Accepted)
    await store.reserve(
        turn.id, wanted=RESERVED_NANO, least=1, session_cap=PLENTY_NANO, day_cap=PLENTY_NANO
    )
    return turn


async def answered(
    store: PostgresStore, turn: NewTurn, *, text: str = "Therefore.", cost_nano: int = 7
) -> NewTurn:
    """Begin `turn` and answer it."""
    await begun(store, turn)
    await store.finish_turn(turn.id, an_outcome(text=text, cost_nano=cost_nano))
    return turn
