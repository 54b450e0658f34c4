"""Each metric of what is said to a running gateway, and by it, moves when it should."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.faults import Fault
from tests.chat_client import ChatClient, Frame
from tests.http_client import HttpClient, frames_of
from tests.integration.helpers import REPORT, question
from tests.integration.money import faults
from tests.integration.scrape import counting_gateway, moved, scrape
from tests.running_gateway import RunningGateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(postgres: EmbeddedServer, redis: EmbeddedServer) -> AsyncIterator[RunningGateway]:
    """One gateway for all tests here."""
    async with counting_gateway(postgres, redis) as gateway:
        yield gateway


@pytest_asyncio.fixture(loop_scope="module")
async def client(gateway: RunningGateway) -> AsyncIterator[ChatClient]:
    """A client with a conversation of its own."""
    async with ChatClient.connect(gateway.url, report_id=REPORT.id, locale="en") as client:
        yield client


async def test_frames(gateway: RunningGateway, client: ChatClient) -> None:
    """Frames count by type, both ways, as many as there were."""
    before = await scrape(gateway)
    frames = await client.ask(question())
    await client.send(type="ping")
    frames.append(await client.receive())
    after = await scrape(gateway)
    for kind in {frame["type"] for frame in frames} | {"pong"}:
        sent = sum(frame["type"] == kind for frame in frames)
        labels = {"direction": "out", "type": kind}
        assert after.since(before, "chatgw_frames_total", **labels) == sent, kind
    for kind in ("message", "ping"):
        labels = {"direction": "in", "type": kind}
        assert after.since(before, "chatgw_frames_total", **labels) == 1


async def test_frames_of_events(gateway: RunningGateway) -> None:
    """The frames of an event stream count too."""
    before = await scrape(gateway)
    async with HttpClient.connect(gateway.url) as http:
        frames = await frames_of(http.stream(question()))
    after = await scrape(gateway)
    assert after.since(before, "chatgw_frames_total", direction="out") == len(frames)


async def test_invalid_frames(gateway: RunningGateway, client: ChatClient) -> None:
    """What is no frame counts as `invalid`, and as the error that was told."""
    before = await scrape(gateway)
    await client.send(type="nothing")
    await client.receive()
    after = await scrape(gateway)
    labels = {"direction": "in", "type": "invalid"}
    assert after.since(before, "chatgw_frames_total", **labels) == 1
    assert after.since(before, "chatgw_errors_total", code="invalid_frame") == 1


async def test_errors_over_http(gateway: RunningGateway) -> None:
    """An error that was told as a problem counts too."""
    before = await scrape(gateway)
    async with HttpClient.connect(gateway.url) as http:
        status, _ = await http.call("GET", "/api/reports/none")
    assert status == 404
    after = await scrape(gateway)
    assert after.since(before, "chatgw_errors_total", code="report_not_found") == 1


async def ended_turn(client: ChatClient) -> Frame:
    """Return the end of an answer."""
    return (await client.ask(question()))[-1]


@pytest.mark.parametrize(("after", "result"), [(0, "tail"), (10**6, "snapshot")])
async def test_resumes(
    gateway: RunningGateway, client: ChatClient, after: int, result: str
) -> None:
    """Who comes back to an answer is shown the rest, or all of it where the position is not in it."""
    async with faults(gateway, Fault.SLOW, times=1):
        await client.say(question())
        accepted = await client.receive()
    before = await scrape(gateway)
    await client.send(type="resume", turn_id=accepted["turn_id"], after=after)
    assert await moved(gateway, before, "chatgw_resumes_total", result=result) == 1
    await client.send(type="cancel", turn_id=accepted["turn_id"])
    await client.until_end()


async def test_resume_of_a_stored_answer(gateway: RunningGateway, client: ChatClient) -> None:
    """Of an answer whose pieces are gone everything is shown."""
    done = await ended_turn(client)
    before = await scrape(gateway)
    await client.send(type="resume", turn_id=done["turn_id"], after=0)
    await client.until_end()
    assert (await scrape(gateway)).since(before, "chatgw_resumes_total", result="snapshot") == 1


async def test_resume_of_nothing(gateway: RunningGateway, client: ChatClient) -> None:
    """An answer that is not known counts as that."""
    before = await scrape(gateway)
    await client.send(type="resume", turn_id=str(uuid4()), after=0)
    await client.until_end()
    assert (await scrape(gateway)).since(before, "chatgw_resumes_total", result="unknown") == 1


async def test_resume_over_http(gateway: RunningGateway) -> None:
    """Who comes back over HTTP counts too."""
    async with HttpClient.connect(gateway.url) as http:
        _, done = await http.ask(question())
        before = await scrape(gateway)
        await frames_of(http.follow(done["turn_id"]))
        status, _ = await http.call("GET", f"/api/turns/{uuid4()}/events")
    assert status == 404
    after = await scrape(gateway)
    for result in ("snapshot", "unknown"):
        assert after.since(before, "chatgw_resumes_total", result=result) == 1
