"""What Prometheus reads; the one home of prometheus-client. Every label is of a closed set."""

from collections.abc import Collection

from aiohttp import web
from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from gateway.web.keys import COUNTS
from gateway.web.metrics.counted import Counted
from gateway.web.metrics.process import ProcessMetrics, UnderWay
from gateway.web.metrics.turns import TurnMetrics

# Every Prometheus understands it, and OpenMetrics would tell no more.
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# When a counter began is when its process did.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """All metrics of one application: a registry of its own, because tests run several in a process."""

    def __init__(self, app: web.Application, *, models: Collection[str]) -> None:
        self._registry = CollectorRegistry()
        self.turns = TurnMetrics(self._registry, models=models, counts=app[COUNTS])
        self.process = ProcessMetrics(self._registry)
        self._registry.register(Counted(app[COUNTS]))
        self._registry.register(UnderWay(app))

    def exposition(self) -> bytes:
        """Return all of them in Prometheus' text format, version 0.0.4."""
        return generate_latest(self._registry)


METRICS = web.AppKey("metrics", Metrics)
