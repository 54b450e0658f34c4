"""The dashboard and the alerts ask for metrics that exist, and a real Prometheus answers them."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
import yaml

from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.faults import Fault
from tests.chat_client import ChatClient
from tests.integration.helpers import eventually, hung, question
from tests.integration.money import faults
from tests.integration.prometheus import JOB, ROOT, Prometheus, running_prometheus
from tests.integration.scrape import counting_gateway
from tests.metrics_table import documented

pytestmark = pytest.mark.asyncio(loop_scope="module")

DASHBOARD: dict[str, Any] = json.loads((ROOT / "docs" / "grafana-dashboard.json").read_text())
ALERTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "docs" / "alerts.yaml").read_text())[
    "groups"
][0]["rules"]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
# What Grafana puts in.
VARIABLES = {"$job": ".*", "$instance": ".*", "$__rate_interval": "1m"}
# A metric, and what stands in braces behind it.
SELECTOR = re.compile(r"(chatgw_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r"(\w+)\s*[=!]~?")
GROUPING = re.compile(r"by \(([^)]*)\)")
# What Prometheus adds to each sample, and histograms to theirs.
ADDED = {"job", "instance", "le"}
# What comes last of the conversation, and, because it is new, takes two scrapes to be seen.
LAST_SEEN = """
    increase(chatgw_disconnects_total[1m]) > 0
    and on () rate(chatgw_dependency_duration_seconds_count{result="timeout"}[1m])
"""
PARTS = re.compile(r"_(bucket|count|sum)$")


def questions() -> Iterator[tuple[str, str]]:
    """Yield each question to Prometheus: whose it is, and the expression."""
    for panel in PANELS:
        for target in panel["targets"]:
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            yield f"{panel['title']} {target['refId']}", expression
    for alert in ALERTS:
        yield alert["alert"], alert["expr"]


ASKED = dict(questions())


@pytest.mark.parametrize("expression", ASKED.values(), ids=ASKED)
async def test_metrics_exist(expression: str) -> None:
    """Each metric in an expression is documented, and has the labels that it is asked for."""
    known, labels = documented(), set[str]()
    for name, matchers in SELECTOR.findall(expression):
        row = known.get(name) or known[PARTS.sub("", name)]
        assert (row.kind == "histogram") is bool(PARTS.search(name))
        assert set(MATCHER.findall(matchers)) <= row.labels | ADDED
        labels |= row.labels
    for grouping in GROUPING.findall(expression):
        assert set(grouping.split(", ")) <= labels | ADDED


async def test_panels_are_placed() -> None:
    """No panel hides another, and each has a name and an id of its own."""
    places = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert {x for x, _ in places} == set(range(24))
    for key in ("id", "title"):
        names = [panel[key] for panel in PANELS]
        assert len(names) == len(set(names))


async def test_datasource_is_chosen_at_import() -> None:
    """Nothing names a datasource of the machine on which the dashboard was made."""
    asked = [panel["datasource"] for panel in PANELS]
    asked += [target["datasource"] for panel in PANELS for target in panel["targets"]]
    assert {source["uid"] for source in asked} == {"${datasource}"}
    assert DASHBOARD["templating"]["list"][0]["type"] == "datasource"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prometheus(
    postgres: EmbeddedServer, redis: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Prometheus]:
    """A Prometheus that has scraped a gateway with a conversation, good and bad."""
    folder = tmp_path_factory.mktemp("prometheus")
    async with counting_gateway(postgres, redis) as gateway:
        async with ChatClient.connect(gateway.url, locale="en") as client:
            await client.ask(question())
        async with running_prometheus(folder, ops_url=gateway.ops_url) as prometheus:
            await eventually(lambda: has(prometheus, f'up{{job="{JOB}"}} == 1'))
            async with ChatClient.connect(gateway.url, locale="en") as client:
                for fault in (Fault.NO_USAGE, Fault.QUOTA):
                    async with faults(gateway, fault, times=1):
                        await client.ask(question())
                with hung(redis):
                    await client.ask(question())
                await client.send(type="nothing")
                await client.receive()
            await eventually(lambda: has(prometheus, LAST_SEEN))
            yield prometheus


async def has(prometheus: Prometheus, expression: str) -> bool:
    """Return whether there is something to see of an expression."""
    return bool(await prometheus.value(expression))


async def test_prometheus_scrapes(prometheus: Prometheus) -> None:
    """Prometheus takes what `/metrics` says, to the last line."""
    (target,) = (await prometheus.ask("targets"))["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")


@pytest.mark.parametrize("expression", ASKED.values(), ids=ASKED)
async def test_prometheus_evaluates(prometheus: Prometheus, expression: str) -> None:
    """Prometheus understands each expression."""
    await prometheus.value(expression)


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
async def test_panels_show_something(prometheus: Prometheus, panel: dict[str, Any]) -> None:
    """After a conversation no panel is empty."""
    for target in panel["targets"]:
        assert await has(prometheus, ASKED[f"{panel['title']} {target['refId']}"])


async def test_alerts_are_loaded(prometheus: Prometheus) -> None:
    """Prometheus has every alert, and none is broken."""
    (group,) = (await prometheus.ask("rules"))["groups"]
    assert [rule["name"] for rule in group["rules"]] == [alert["alert"] for alert in ALERTS]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
