"""How a turn ended is saved, however long the store is away."""

import asyncio
from uuid import UUID

import pytest

from gateway.chat.errors import Internal
from gateway.chat.persister import PATIENCE_SECONDS, RETRY_SECONDS, Persister
from gateway.chat.records import Outcome
from tests.builders import a_new_turn, an_outcome
from tests.fakes import FakeStore, idle, pass_time


async def a_running_turn(store: FakeStore) -> UUID:
    """Return a turn that the store holds and that has not ended."""
    turn = a_new_turn(UUID(int=1))
    await store.accept_turn(turn)
    return turn.id


def saved(store: FakeStore, turn_id: UUID) -> Outcome | None:
    """Return what the store has of the turn's end."""
    return store.rows[turn_id].outcome


async def test_saved_at_once() -> None:
    """A store that answers has the outcome when `save` returns."""
    store = FakeStore()
    turn_id = await a_running_turn(store)
    persister, outcome = Persister(store), an_outcome()
    task = await persister.save(turn_id, outcome)
    await idle()
    assert (task.done(), persister.pending, saved(store, turn_id)) == (True, 0, outcome)


async def test_patience_ends() -> None:
    """A store that is gone holds nobody up; the save goes on."""
    store = FakeStore()
    turn_id = await a_running_turn(store)
    store.fail()
    persister = Persister(store)
    saving = asyncio.create_task(persister.save(turn_id, an_outcome()))
    await idle()
    assert not saving.done()
    await pass_time(PATIENCE_SECONDS)
    task = await saving
    assert (task.done(), persister.pending) == (False, 1)
    await persister.close(seconds=0)


async def test_store_that_comes_back_gets_it() -> None:
    """A save is tried again until the store is back."""
    store = FakeStore()
    turn_id = await a_running_turn(store)
    store.fail()
    persister, outcome = Persister(store), an_outcome()
    saving = asyncio.create_task(persister.save(turn_id, outcome))
    for _ in range(3):
        await idle()
        await pass_time(RETRY_SECONDS)
    assert saved(store, turn_id) is None
    store.recover()
    await pass_time(RETRY_SECONDS)
    await (await saving)
    assert (saved(store, turn_id), persister.pending) == (outcome, 0)


async def test_cancelling_who_waits_does_not_cancel_the_save() -> None:
    """A save outlives the task that asked for it."""
    store = FakeStore()
    turn_id = await a_running_turn(store)
    answered = store.hold("finish_turn")
    persister, outcome = Persister(store), an_outcome()
    saving = asyncio.create_task(persister.save(turn_id, outcome))
    await idle()
    saving.cancel()
    await asyncio.gather(saving, return_exceptions=True)
    assert persister.pending == 1
    answered.set()
    await persister.close(seconds=1)
    assert (saved(store, turn_id), persister.pending) == (outcome, 0)


async def test_store_that_refuses_is_not_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    """A save that the store refuses for good is given up, and that is said."""
    store = FakeStore()
    turn_id = await a_running_turn(store)
    store.fail(error=Internal())
    persister = Persister(store)
    task = await persister.save(turn_id, an_outcome())
    assert task.done()
    assert (store.calls.count("finish_turn"), caplog.messages) == (1, ["turn.save_refused"])


async def test_close_waits_for_the_store() -> None:
    """Closing gives a store that is about to come back the time to do so."""
    store = FakeStore()
    turn_id = await a_running_turn(store)
    store.fail(calls=1)
    persister = Persister(store)
    saving = asyncio.create_task(persister.save(turn_id, an_outcome()))
    await idle()
    closing = asyncio.create_task(persister.close(seconds=5))
    await idle()
    await pass_time(RETRY_SECONDS)
    await asyncio.gather(closing, saving)
    assert saved(store, turn_id) is not None


async def test_close_gives_up() -> None:
    """Closing does not wait for a store that stays away."""
    store = FakeStore()
    turn_id = await a_running_turn(store)
    store.fail()
    persister = Persister(store)
    saving = asyncio.create_task(persister.save(turn_id, an_outcome()))
    await idle()
    await persister.close(seconds=0)
    assert (await saving).cancelled()
    assert persister.pending == 0
