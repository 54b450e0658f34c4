"""What `/metrics` of a gateway says, and by how much it has moved."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Self

import aiohttp
import msgspec
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from gateway.backends.migrations import migrate
from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.dev.embedded_server import EmbeddedServer
from gateway.resources import migrations_folder
from tests.integration.helpers import REPORT, eventually
from tests.integration.money import OPEN_DOOR
from tests.running_gateway import FLAT_OUT, RunningGateway, running_gateway


class Scrape(msgspec.Struct, frozen=True):
    """One answer of `/metrics`."""

    text: str

    @classmethod
    async def of(cls, ops_url: str) -> Self:
        """Return what the ops listener at `ops_url` answers now."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{ops_url}/metrics") as response,
        ):
            assert response.status == 200
            return cls(await response.text())

    def families(self) -> Iterator[Metric]:
        """Yield every metric, under the name it has in the text."""
        for family in text_string_to_metric_families(self.text):
            if family.type == "counter":
                family.name += "_total"
            yield family

    def samples(self) -> Iterator[Sample]:
        """Yield every sample."""
        for family in self.families():
            yield from family.samples

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of `name` that have `labels`, 0 where there is none."""
        return sum(
            sample.value
            for sample in self.samples()
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def since(self, before: Self, name: str, **labels: str) -> float:
        """Return by how much that sum has moved."""
        return self.value(name, **labels) - before.value(name, **labels)


async def scrape(gateway: RunningGateway) -> Scrape:
    """Return what Prometheus would be told now."""
    return await Scrape.of(gateway.ops_url)


async def moved(gateway: RunningGateway, before: Scrape, name: str, **labels: str) -> float:
    """Wait until a metric has moved, which is soon or never, and return by how much."""

    async def has() -> bool:
        return (await scrape(gateway)).since(before, name, **labels) != 0

    await eventually(has)
    return (await scrape(gateway)).since(before, name, **labels)


@asynccontextmanager
async def counting_gateway(
    postgres: EmbeddedServer, redis: EmbeddedServer
) -> AsyncIterator[RunningGateway]:
    """Run a gateway for tests that look only at what moved: its time limits are short."""
    database = Database(postgres.url, pool_size=1)
    await migrate(database, folder=migrations_folder())
    await PostgresStore(database).import_reports([REPORT])
    await database.close()
    async with running_gateway(
        database=postgres.url,
        redis=redis.url,
        options=FLAT_OUT,
        limits_first_chunk_seconds="3",
        limits_stall_seconds="1",
        **OPEN_DOOR,
    ) as gateway:
        yield gateway
