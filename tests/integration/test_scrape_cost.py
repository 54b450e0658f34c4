"""What Prometheus costs: it comes every few seconds, while everybody's answers wait for the loop."""

import statistics
import time
from contextlib import AsyncExitStack

import pytest

from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.faults import Fault
from gateway.web.metrics import METRICS
from tests.integration import figures
from tests.integration.helpers import question
from tests.integration.money import ask_all, connected, faults
from tests.integration.scrape import counting_gateway
from tests.promises import promised

MOST_MS = 20.0
SCRAPES = 25
# Opened at once; more only wait for the database.
AT_ONCE = 50


@pytest.mark.parametrize(
    "connections", [AT_ONCE, pytest.param(1000, marks=pytest.mark.stress)], ids=["few", "many"]
)
async def test_cost_of_a_scrape(
    postgres: EmbeddedServer, redis: EmbeddedServer, connections: int
) -> None:
    """One scrape with many connections, of which some have running answers, costs less than 20 ms of CPU."""
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(counting_gateway(postgres, redis))
        urls = [gateway.url] * AT_ONCE
        clients = await stack.enter_async_context(connected(*urls))
        for _ in range(connections // AT_ONCE - 1):
            await stack.enter_async_context(connected(*urls))
        for fault in (Fault.QUOTA, Fault.EOF, Fault.CONTENT_FILTER):
            async with faults(gateway, fault, times=AT_ONCE):
                await ask_all(clients)
        await stack.enter_async_context(faults(gateway, Fault.SLOW, times=AT_ONCE))
        for client in clients:
            await client.say(question())
            await client.receive()
        spent = list[float]()
        for _ in range(SCRAPES):
            began = time.process_time()
            text = gateway.app[METRICS].exposition()
            assert text.startswith(b"# HELP chatgw_")
            spent.append((time.process_time() - began) * 1000)
    median = statistics.median(spent)
    figures.record(f"a scrape of /metrics, {connections} connections", f"{median:.1f} ms of CPU")
    assert median < promised(MOST_MS)
