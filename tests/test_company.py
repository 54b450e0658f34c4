"""A process knows whether it is alone."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

from gateway.chat.company import ASKING_SECONDS, BELIEVED_SECONDS, HERE_SECONDS, Company
from gateway.chat.signals import Here
from tests.fakes import FakeRelay, idle, pass_time

US, THEM = uuid4(), uuid4()


@asynccontextmanager
async def company(relay: FakeRelay | None = None) -> AsyncGenerator[Company, None]:
    """Give a process that says it is there."""
    company = Company(origin=US, relay=relay or FakeRelay())
    keeping = asyncio.create_task(company.keep())
    await idle()
    try:
        yield company
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_nobody_is_alone_who_has_not_asked() -> None:
    """Before it has told anybody that it is there, a process cannot know that it is alone."""
    assert not Company(origin=US, relay=FakeRelay()).alone


async def test_nobody_is_alone_before_others_could_answer() -> None:
    """Right after it has asked, a process may still be answered."""
    async with company() as us:
        assert not us.alone


async def test_unanswered_is_alone() -> None:
    """A process that nobody answers is alone."""
    async with company() as us:
        await pass_time(ASKING_SECONDS)
        assert us.alone


async def test_who_hears_another_is_not_alone() -> None:
    """A process that hears of another is not alone."""
    async with company() as us:
        us.hear(THEM)
        await pass_time(ASKING_SECONDS)
        assert not us.alone


async def test_others_are_news_once() -> None:
    """A process is a newcomer when it is heard first."""
    async with company() as us:
        assert (us.hear(THEM), us.hear(THEM)) == (True, False)


async def test_silent_others_are_forgotten() -> None:
    """A process that was not heard for long is taken to be gone."""
    async with company() as us:
        us.hear(THEM)
        await pass_time(BELIEVED_SECONDS + HERE_SECONDS)
        assert us.alone


async def test_others_who_go_on_are_believed() -> None:
    """A process that goes on saying that it is there is not forgotten."""
    async with company() as us:
        us.hear(THEM)
        await pass_time(BELIEVED_SECONDS / 2)
        us.hear(THEM)
        await pass_time(BELIEVED_SECONDS / 2 + HERE_SECONDS)
        assert not us.alone


async def test_it_says_so_again_and_again() -> None:
    """A process goes on telling the others that it is there."""
    relay = FakeRelay()
    async with company(relay):
        await pass_time(HERE_SECONDS, steps=2)
        assert relay.told == [Here(origin=US)] * 3
