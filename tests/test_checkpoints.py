"""Running turns are kept alive in the store; those nobody keeps alive are ended."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from gateway.chat.checkpoints import (
    LEASE_SECONDS,
    SWEEP_SECONDS,
    keep_checkpoints,
    sweep_expired,
)
from gateway.chat.errors import GatewayError, Internal, StorageUnavailable
from gateway.chat.records import Partial
from tests.builders import a_new_turn, an_ask
from tests.fakes import HANG, FakeStore, idle, pass_time
from tests.stage import Stage, stage


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None, None]:
    """Let `work` run meanwhile, and see that it was running to the end."""
    task = asyncio.create_task(work)
    await idle()
    yield
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def checkpointing(stage: Stage) -> AsyncGenerator[None, None]:
    """Keep checkpoints of what runs on `stage`, once a second."""
    async with running(keep_checkpoints(stage.sessions, store=stage.store, rules=stage.rules)):
        yield


async def test_partial_texts_are_saved() -> None:
    """What a running turn has so far is in the store a second later, with its lease."""
    async with stage(["Revenue ", "rose", HANG], checkpoint_seconds=1) as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        await idle()
        async with checkpointing(s):
            await pass_time(1)
            partial = Partial(turn_id=turn.id, text="Revenue rose", pieces=2)
            assert s.store.rows[turn.id].partial == partial
            assert s.store.lease == LEASE_SECONDS


async def test_all_of_them_in_one_call() -> None:
    """However many turns run, the store is called once."""
    async with stage(["Revenue", HANG], checkpoint_seconds=1) as s:
        for _ in range(3):
            s.service.handle_message(await s.enter(), an_ask())
        await idle()
        async with checkpointing(s):
            await pass_time(1)
            assert s.store.calls.count("checkpoint") == 1
            assert [row.partial and row.partial.text for row in s.store.rows.values()] == [
                "Revenue"
            ] * 3


async def test_nothing_runs_nothing_is_called() -> None:
    """Without a running turn the store is left alone."""
    async with stage(checkpoint_seconds=1) as s:
        session = await s.enter()
        await s.ask(session)
        async with checkpointing(s):
            await pass_time(1)
            await pass_time(1)
            assert "checkpoint" not in s.store.calls


@pytest.mark.parametrize("error", [StorageUnavailable, Internal])
async def test_store_down_is_survived(error: type[GatewayError]) -> None:
    """A checkpoint that fails, for whatever reason, is made up for by the next."""
    async with stage(["Revenue", HANG], checkpoint_seconds=1) as s:
        turn = s.service.handle_message(await s.enter(), an_ask()).turn
        await idle()
        async with checkpointing(s):
            s.store.fail(calls=1, error=error())
            await pass_time(1)
            assert s.store.rows[turn.id].partial is None
            await pass_time(1)
            assert s.store.rows[turn.id].partial is not None


async def a_dead_turn(store: FakeStore) -> UUID:
    """Return a turn whose process is gone."""
    turn = a_new_turn(UUID(int=1))
    await store.accept_turn(turn)
    store.dead.add(turn.id)
    return turn.id


async def test_dead_turns_are_ended(caplog: pytest.LogCaptureFixture) -> None:
    """A turn whose process is gone is ended at once, and said so."""
    store = FakeStore()
    turn_id = await a_dead_turn(store)
    with caplog.at_level(logging.WARNING):
        async with running(sweep_expired(store=store)):
            assert store.rows[turn_id].outcome is not None
    assert caplog.messages == ["turns.expired"]


async def test_sweeping_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """Turns are looked for again and again, and where there are none nothing is said."""
    store = FakeStore()
    with caplog.at_level(logging.WARNING):
        async with running(sweep_expired(store=store)):
            await pass_time(SWEEP_SECONDS)
    assert (store.calls, caplog.messages) == (["expire", "expire"], [])


@pytest.mark.parametrize("error", [StorageUnavailable, Internal])
async def test_sweeping_survives_the_store(error: type[GatewayError]) -> None:
    """A store that was away is swept when it is back, and the living have had time to say so."""
    store = FakeStore()
    turn_id = await a_dead_turn(store)
    store.fail(calls=1, error=error())
    async with running(sweep_expired(store=store)):
        await pass_time(LEASE_SECONDS)
        assert store.rows[turn_id].outcome is None
        await pass_time(SWEEP_SECONDS)
        assert store.rows[turn_id].outcome is not None


async def test_turn_that_is_to_stop_is_stopped() -> None:
    """A turn that somebody asked to cancel in another process is cancelled at its checkpoint."""
    async with stage(["Revenue", HANG], checkpoint_seconds=1) as s:
        stopping, going_on = await s.enter(), await s.enter()
        turn = s.service.handle_message(stopping, an_ask()).turn
        s.service.handle_message(going_on, an_ask())
        await idle()
        async with checkpointing(s):
            await s.store.request_cancel(turn.id)
            await pass_time(1)
            assert (stopping.active, going_on.active is not None) == (None, True)
