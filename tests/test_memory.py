"""The recent exchanges come from the cache where it is right, else from the store."""

from uuid import UUID, uuid4

import pytest

from gateway.chat.errors import StorageUnavailable
from gateway.chat.memory import Memory
from gateway.chat.records import ContextSource, Exchange, History
from tests.builders import a_new_turn, an_exchange, an_outcome
from tests.fakes import FakeCache, FakeStore


class Recalling:
    """A memory over a cache and a store, for one session."""

    def __init__(self, *, messages: int = 20) -> None:
        self.session_id = uuid4()
        self.store, self.cache = FakeStore(), FakeCache()
        self.memory = Memory(self.store, cache=self.cache, messages=messages)

    async def store_turn(self) -> UUID:
        """Store an answered turn and return its id."""
        turn = a_new_turn(self.session_id)
        await self.store.accept_turn(turn)
        await self.store.finish_turn(turn.id, an_outcome())
        self.store.calls.clear()
        return turn.id

    def keep(self, *exchanges: Exchange, last_turn: int) -> None:
        """Put `exchanges` up to `last_turn` into the cache."""
        self.cache.kept[self.session_id] = History(last_turn=last_turn, exchanges=exchanges)

    async def recall(self, number: int) -> tuple[History, ContextSource]:
        """Return what came before turn `number`."""
        return await self.memory.recall(self.session_id, number=number)


async def test_first_question_asks_nobody() -> None:
    """Before the first turn there is nothing, and neither cache nor store is asked."""
    recalling = Recalling()
    recalling.keep(an_exchange(), last_turn=0)
    assert await recalling.recall(1) == (History(last_turn=0), ContextSource.NONE)
    assert recalling.store.calls == []


async def test_right_cache_is_used() -> None:
    """A cached list up to the turn before is what came before."""
    recalling = Recalling()
    exchange = an_exchange()
    recalling.keep(exchange, last_turn=1)
    history, source = await recalling.recall(2)
    assert (history.exchanges, source) == ((exchange,), ContextSource.CACHE)
    assert recalling.store.calls == []


@pytest.mark.parametrize("last_turn", [0, 2, 7])
async def test_stale_cache_is_noticed(last_turn: int) -> None:
    """A cached list up to any other turn is passed over, older or newer."""
    recalling = Recalling()
    turn_id = await recalling.store_turn()
    recalling.keep(an_exchange("Stale?"), last_turn=last_turn)
    history, source = await recalling.recall(2)
    assert [e.turn_id for e in history.exchanges] == [turn_id]
    assert source is ContextSource.DATABASE


async def test_forgetful_cache_is_no_harm() -> None:
    """Where the cache knows nothing the store does."""
    recalling = Recalling()
    turn_id = await recalling.store_turn()
    history, source = await recalling.recall(2)
    assert ([e.turn_id for e in history.exchanges], source) == ([turn_id], ContextSource.DATABASE)


async def test_store_down_is_told() -> None:
    """Where neither knows, the store's error is the caller's."""
    recalling = Recalling()
    recalling.store.fail()
    with pytest.raises(StorageUnavailable):
        await recalling.recall(2)


async def test_remembered_is_recalled() -> None:
    """What was remembered after a turn is what the next one recalls."""
    recalling = Recalling()
    exchange = an_exchange()
    await recalling.memory.remember(recalling.session_id, History(last_turn=0), exchange=exchange)
    assert await recalling.recall(2) == (
        History(last_turn=1, exchanges=(exchange,)),
        ContextSource.CACHE,
    )


async def test_turn_without_an_answer_still_counts() -> None:
    """A turn that left nothing to quote is counted, so that the list is not stale."""
    recalling = Recalling()
    old = History(last_turn=1, exchanges=(an_exchange(),))
    await recalling.memory.remember(recalling.session_id, old, exchange=None)
    history, source = await recalling.recall(3)
    assert (history.exchanges, source) == (old.exchanges, ContextSource.CACHE)


@pytest.mark.parametrize(("messages", "kept"), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2)])
async def test_only_what_a_prompt_may_quote_is_kept(messages: int, kept: int) -> None:
    """The cache keeps so many exchanges as the limit in messages touches."""
    recalling = Recalling(messages=messages)
    history = History(last_turn=3, exchanges=tuple(an_exchange() for _ in range(3)))
    last = an_exchange("Last?")
    await recalling.memory.remember(recalling.session_id, history, exchange=last)
    exchanges = recalling.cache.kept[recalling.session_id].exchanges
    assert len(exchanges) == kept
    assert exchanges[-1:] == ((last,) if kept else ())
