"""Each metric of a running gateway moves when it should."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.faults import Fault
from tests.chat_client import ChatClient
from tests.integration.helpers import REPORT, eventually, question, wipe
from tests.integration.money import faults
from tests.integration.scrape import counting_gateway, scrape
from tests.running_gateway import RunningGateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "sim-plain"


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


async def test_turns(gateway: RunningGateway, client: ChatClient) -> None:
    """A turn that is answered counts as `ok`, with how long it took."""
    before = await scrape(gateway)
    await client.ask(question())
    after = await scrape(gateway)
    assert after.since(before, "chatgw_turns_total") == 1
    assert after.since(before, "chatgw_turns_total", outcome="ok") == 1
    assert after.since(before, "chatgw_turn_duration_seconds_count", outcome="ok") == 1
    assert 0 < after.since(before, "chatgw_turn_duration_seconds_sum", outcome="ok") < 30


@pytest.mark.parametrize(
    ("fault", "outcome", "code", "result"),
    [
        (Fault.QUOTA, "upstream_error", "quota_exhausted", "429"),
        (Fault.BAD_REQUEST, "upstream_error", "upstream_rejected", "4xx"),
        (Fault.SERVER_ERROR, "upstream_error", "upstream_unavailable", "5xx"),
        (Fault.REFUSE, "upstream_error", "upstream_unavailable", "connect"),
        (Fault.EOF, "upstream_truncated", "upstream_truncated", "stream_error"),
        (Fault.STALL, "idle_timeout", "stalled", "timeout"),
    ],
)
async def test_failed_turns(
    gateway: RunningGateway, client: ChatClient, fault: Fault, outcome: str, code: str, result: str
) -> None:
    """A turn that failed counts by its outcome, its code, and what its requests came to."""
    before = await scrape(gateway)
    async with faults(gateway, fault, times=2):
        await client.ask(question())
    after = await scrape(gateway)
    assert after.since(before, "chatgw_turns_total", outcome=outcome) == 1
    assert after.since(before, "chatgw_errors_total", code=code) == 1
    attempts = after.since(before, "chatgw_upstream_attempts_total")
    assert after.since(before, "chatgw_upstream_attempts_total", result=result) == attempts
    assert attempts == (2 if code == "upstream_unavailable" else 1)


async def test_attempts_of_a_retry(gateway: RunningGateway, client: ChatClient) -> None:
    """A retry counts as a request of its own."""
    before = await scrape(gateway)
    async with faults(gateway, Fault.SERVER_ERROR, times=1):
        await client.ask(question())
    after = await scrape(gateway)
    assert after.since(before, "chatgw_upstream_attempts_total", result="5xx") == 1
    assert after.since(before, "chatgw_upstream_attempts_total", result="ok") == 1
    assert after.since(before, "chatgw_turns_total", outcome="ok") == 1


async def test_first_chunk(gateway: RunningGateway, client: ChatClient) -> None:
    """The time to the first text counts once for each answer that had any."""
    before = await scrape(gateway)
    await client.ask(question())
    async with faults(gateway, Fault.QUOTA, times=1):
        await client.ask(question())
    name = "chatgw_time_to_first_chunk_seconds_count"
    assert (await scrape(gateway)).since(before, name, model=MODEL) == 1


async def test_time_per_chunk(gateway: RunningGateway, client: ChatClient) -> None:
    """The time between chunks counts once for each answer."""
    before = await scrape(gateway)
    await client.ask(question())
    name = "chatgw_time_per_output_chunk_seconds_count"
    assert (await scrape(gateway)).since(before, name, model=MODEL) == 1


async def test_tokens(gateway: RunningGateway, client: ChatClient) -> None:
    """Tokens are those of the answer's `done`, both as a sum and for each turn."""
    before = await scrape(gateway)
    usage = (await client.ask(question()))[-1]["usage"]
    after = await scrape(gateway)
    for kind in ("input", "output"):
        tokens = usage[f"{kind}_tokens"]
        assert tokens > 0
        labels = {"model": MODEL, "type": kind}
        assert after.since(before, "chatgw_tokens_total", source="reported", **labels) == tokens
        assert after.since(before, "chatgw_request_tokens_sum", **labels) == tokens
        assert after.since(before, "chatgw_request_tokens_count", **labels) == 1


async def test_cost(gateway: RunningGateway, client: ChatClient) -> None:
    """Dollars are those of the answer's `done`."""
    before = await scrape(gateway)
    done = (await client.ask(question()))[-1]
    after = await scrape(gateway)
    spent = after.since(before, "chatgw_cost_usd_total", model=MODEL, source="reported")
    assert spent == pytest.approx(float(done["cost_usd"]))


async def test_estimated_cost(gateway: RunningGateway, client: ChatClient) -> None:
    """What the upstream did not report counts as estimated."""
    before = await scrape(gateway)
    async with faults(gateway, Fault.NO_USAGE, times=1):
        await client.ask(question())
    after = await scrape(gateway)
    assert after.since(before, "chatgw_cost_usd_total", source="estimated") > 0
    assert after.since(before, "chatgw_tokens_total", source="estimated") > 0


async def test_context_loads(
    gateway: RunningGateway, client: ChatClient, redis: EmbeddedServer
) -> None:
    """Earlier messages come from Redis, or, where that has forgotten, from Postgres."""
    await client.ask(question(1))
    before = await scrape(gateway)
    await client.ask(question(2))
    between = await scrape(gateway)
    await wipe(redis)
    await client.ask(question(3))
    after = await scrape(gateway)
    name = "chatgw_context_loads_total"
    assert between.since(before, name, source="redis", result="hit") == 1
    assert after.since(between, name, source="redis", result="miss") == 1
    assert after.since(between, name, source="postgres", result="ok") == 1
    assert after.since(before, name) == 3


@pytest.mark.parametrize(
    ("dependency", "operation"),
    [
        ("postgres", "accept_turn"),
        ("postgres", "reserve"),
        ("postgres", "finish_turn"),
        ("redis", "recall"),
        ("redis", "remember"),
    ],
)
async def test_dependencies(
    gateway: RunningGateway, client: ChatClient, dependency: str, operation: str
) -> None:
    """Each question has its calls of Postgres and Redis, and how long they took."""
    await client.ask(question(1))
    before = await scrape(gateway)
    await client.ask(question(2))
    after = await scrape(gateway)
    name, labels = "chatgw_dependency_duration_seconds", {"operation": operation, "result": "ok"}
    assert after.since(before, f"{name}_count", dependency=dependency, **labels) == 1
    assert 0 < after.since(before, f"{name}_sum", dependency=dependency, **labels) < 5


async def test_while_a_turn_runs(gateway: RunningGateway, client: ChatClient) -> None:
    """A turn that runs, its request and its reservation are there to see, and then gone."""
    names = ("chatgw_turns_running", "chatgw_upstream_inflight", "chatgw_cost_reserved_usd")
    async with faults(gateway, Fault.SLOW, times=1):
        await client.say(question())
        accepted = await client.receive()
        assert accepted["type"] == "accepted"
        running = await scrape(gateway)
        await client.send(type="cancel", turn_id=accepted["turn_id"])
        await client.until_end()
    ended = await scrape(gateway)
    turns, inflight, reserved = (running.value(name) for name in names)
    assert (turns, inflight) == (1, 1)
    assert 0 < reserved < 0.01
    assert [ended.value(name) for name in names] == [0, 0, 0]
    assert ended.since(running, "chatgw_turns_total", outcome="client_cancel") == 1


async def test_connections(gateway: RunningGateway) -> None:
    """An open WebSocket is there to see, and then gone."""
    before = await scrape(gateway)
    async with ChatClient.connect(gateway.url):
        during = await scrape(gateway)
    assert during.since(before, "chatgw_connections", transport="websocket") == 1


async def test_event_loop_lag(gateway: RunningGateway) -> None:
    """How late the event loop is counts all the time."""
    before = await scrape(gateway)

    async def moved() -> bool:
        return (await scrape(gateway)).since(before, "chatgw_event_loop_lag_seconds_count") > 0

    await eventually(moved)


async def test_build_info(gateway: RunningGateway) -> None:
    """What runs is told by its versions."""
    info = [s for s in (await scrape(gateway)).samples() if s.name == "chatgw_build_info"]
    assert [sample.value for sample in info] == [1]
    assert set(info[0].labels) == {"version", "python", "openai", "aiohttp"}
