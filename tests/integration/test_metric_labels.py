"""The labels of metrics are those that are documented, of closed sets, and hold nothing of anybody."""

from collections.abc import AsyncIterator
from typing import get_args

import pytest
import pytest_asyncio

from gateway.backends.watch import Operation
from gateway.backends.watch import Result as CallResult
from gateway.chat.codes import Code
from gateway.chat.frames import AnyClientFrame, AnyServerFrame
from gateway.chat.records import CostSource
from gateway.chat.timeline import AttemptResult, Ending
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.faults import Fault
from gateway.web.counts import CODES, Admission, Drop, Resumption, Transport
from tests import canary
from tests.builders import TRACE_ID, TRACEPARENT
from tests.chat_client import ChatClient
from tests.http_client import HttpClient, frames_of
from tests.integration.helpers import REPORT, question
from tests.integration.money import faults
from tests.integration.scrape import Scrape, counting_gateway, scrape
from tests.metrics_table import documented
from tests.running_gateway import RunningGateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

TAGS = {
    kind.__struct_config__.tag for kind in (*get_args(AnyClientFrame), *get_args(AnyServerFrame))
}
# What each label may be, wherever it stands.
ALLOWED: dict[str, set[str]] = {
    "transport": set(Transport),
    "direction": {"in", "out"},
    "outcome": set(Ending),
    "code": {*Code, *CODES},
    "model": {"sim-plain"},
    "type": {"input", "output", "invalid", *TAGS},
    "source": {*CostSource, "redis", "postgres"},
    "result": {*AttemptResult, *Admission, *Resumption, *CallResult, "hit", "miss"},
    "reason": set(Drop),
    "dependency": {"postgres", "redis"},
    "operation": set(Operation),
}
VERSIONS = {"version", "python", "openai", "aiohttp"}
# With everything that a conversation, well or badly meant, can bring about.
MOST_LINES = 1_500


class Had(Scrape, frozen=True, kw_only=True):
    """What is told after a conversation, and what must not be in it."""

    private: frozenset[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def had(postgres: EmbeddedServer, redis: EmbeddedServer) -> AsyncIterator[Had]:
    """What is told after good and bad answers, over both transports, to clients that make things up."""
    async with counting_gateway(postgres, redis) as gateway:
        private = {TRACE_ID, "127.0.0.1", REPORT.id}
        async with (
            ChatClient.connect(
                gateway.url, report_id=REPORT.id, locale="en", traceparent=TRACEPARENT
            ) as client,
            HttpClient.connect(gateway.url) as http,
        ):
            private |= {client.ready["session"], client.ready["session_id"], http.ready["session"]}
            private |= await said(gateway, client)
            await frames_of(http.stream(question()))
            await client.socket.close(code=3999)
        yield Had((await scrape(gateway)).text, private=frozenset(private))


async def said(gateway: RunningGateway, client: ChatClient) -> set[str]:
    """Talk, with every fault that ends soon, and return the ids of the turns."""
    turns = set[str]()
    for fault in (Fault.QUOTA, Fault.REFUSE, Fault.EOF, Fault.NO_USAGE, Fault.STALL):
        async with faults(gateway, fault, times=2):
            turns.add((await client.ask(question()))[-1]["turn_id"])
    await client.send(type=canary.QUESTION)
    await client.receive()
    await client.send(type="resume", turn_id=canary.QUESTION, after=0)
    await client.receive()
    return turns


async def test_every_metric_is_documented(had: Had) -> None:
    """Every metric is in docs/metrics.md with its type, and no other."""
    told = {family.name: family.type for family in had.families()}
    assert told == {name: row.kind for name, row in documented().items()}


async def test_labels_are_documented(had: Had) -> None:
    """Every metric has the labels that are documented."""
    for family in had.families():
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == documented()[family.name].labels, sample


async def test_every_metric_has_samples(had: Had) -> None:
    """After a conversation there is something to see of every metric."""
    assert [family.name for family in had.families() if not family.samples] == []


async def test_values_are_of_closed_sets(had: Had) -> None:
    """Whatever clients send, each label is of a set that was known before."""
    for sample in had.samples():
        for label, value in sample.labels.items():
            if label not in {"le", *VERSIONS}:
                assert value in ALLOWED[label], sample


async def test_not_too_many(had: Had) -> None:
    """There are so many lines and no more."""
    assert len(had.text.splitlines()) < MOST_LINES


async def test_nothing_of_anybody(had: Had) -> None:
    """No text, session, address, report, turn or trace is in it."""
    assert canary.hits(had.text, *had.private) == []
