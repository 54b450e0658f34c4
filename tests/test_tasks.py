"""Tasks are kept until they are done, and awaited by their owner."""

import asyncio

from gateway.chat.tasks import Tasks
from tests.fakes import idle


async def wait_for(event: asyncio.Event) -> str:
    """Return once `event` is set."""
    await event.wait()
    return "done"


async def test_result_is_the_works() -> None:
    """A task returns what its work returns."""
    event = asyncio.Event()
    task = Tasks().start(wait_for(event), name="work")
    event.set()
    assert await task == "done"


async def test_task_has_its_name() -> None:
    """A task carries the name it was given, for who looks at a running process."""
    task = Tasks().start(asyncio.sleep(0), name="work")
    await task
    assert task.get_name() == "work"


async def test_only_running_tasks_are_counted() -> None:
    """A task is forgotten once it is done."""
    tasks, event = Tasks(), asyncio.Event()
    tasks.start(wait_for(event), name="work")
    counts = [len(tasks)]
    event.set()
    await idle()
    counts.append(len(tasks))
    assert counts == [1, 0]


async def test_waiting_cancels_nothing() -> None:
    """Waiting for what runs gives up in time, and leaves it running."""
    tasks = Tasks()
    task = tasks.start(wait_for(asyncio.Event()), name="work")
    await tasks.wait(seconds=0)
    assert not task.done()
    await tasks.drain(seconds=0)


async def test_drain_waits_for_what_runs() -> None:
    """Draining lets what runs end by itself."""
    tasks, event = Tasks(), asyncio.Event()
    task = tasks.start(wait_for(event), name="work")
    draining = asyncio.create_task(tasks.drain(seconds=60))
    await idle()
    event.set()
    await draining
    assert task.result() == "done"


async def test_drain_cancels_what_takes_too_long() -> None:
    """Draining cancels what has not ended in time, and leaves nothing running."""
    tasks = Tasks()
    task = tasks.start(wait_for(asyncio.Event()), name="work")
    await tasks.drain(seconds=0)
    assert task.cancelled()
    assert len(tasks) == 0


async def test_drain_survives_a_crash() -> None:
    """A task that crashes while it is being cancelled does not stop the draining."""

    async def crash_when_cancelled() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError

    tasks = Tasks()
    task = tasks.start(crash_when_cancelled(), name="work")
    await idle()
    await tasks.drain(seconds=0)
    assert isinstance(task.exception(), RuntimeError)


async def test_draining_nothing_is_immediate() -> None:
    """Where nothing runs there is nothing to wait for."""
    tasks = Tasks()
    await tasks.drain(seconds=60)
    assert len(tasks) == 0
