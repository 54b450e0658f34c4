"""The metrics of this process: what is under way, and how its dependencies and its event loop do."""

import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version

from aiohttp import web
from prometheus_client import CollectorRegistry, Histogram, Info
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.chat.pricing import NANO_PER_USD
from gateway.web.counts import Transport
from gateway.web.keys import COUNTS, SERVICE, SESSIONS
from gateway.web.websocket import CONNECTIONS

CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)


class ProcessMetrics:
    """What is not of one turn."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._dependency = Histogram(
            "chatgw_dependency_duration_seconds",
            "Calls of Postgres, its pool's queue included, and of Redis.",
            ["dependency", "operation", "result"],
            registry=registry,
            buckets=CALL_SECONDS,
        )
        self._loop_lag = Histogram(
            "chatgw_event_loop_lag_seconds",
            "How much later than due the event loop got to something.",
            registry=registry,
            buckets=LAG_SECONDS,
        )
        Info("chatgw_build", "What is running.", registry=registry).info(
            {
                "version": __version__,
                "python": platform.python_version(),
                "openai": version("openai"),
                "aiohttp": version("aiohttp"),
            }
        )

    def watch(self, dependency: str) -> Callable[[str, str, float], None]:
        """Return what is to be told of the calls of `dependency`: operation, result and seconds."""

        def called(operation: str, result: str, seconds: float, /) -> None:
            self._dependency.labels(dependency, operation, result).observe(seconds)

        return called

    def loop_was_late(self, seconds: float) -> None:
        """Take note of how late the event loop was."""
        self._loop_lag.observe(seconds)


class UnderWay(Collector):
    """Reads the application's state at each scrape."""

    def __init__(self, app: web.Application) -> None:
        self._app = app

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield each gauge as it is now; of a gateway that has not started only the connections."""
        app = self._app
        connections = GaugeMetricFamily(
            "chatgw_connections", "Connections that are open.", labels=("transport",)
        )
        connections.add_metric((Transport.WEBSOCKET,), len(app[CONNECTIONS]))
        connections.add_metric((Transport.SSE,), app[COUNTS].streams)
        yield connections
        if SERVICE not in app:
            return
        running = [reading.timeline for _, reading in app[SESSIONS].running()]
        yield GaugeMetricFamily("chatgw_turns_running", "Turns that run.", value=len(running))
        yield GaugeMetricFamily(
            "chatgw_answers_pending",
            "Answers that ended and are not durable yet.",
            value=app[SERVICE].pending,
        )
        yield GaugeMetricFamily(
            "chatgw_upstream_inflight",
            "Requests to the upstream that are under way.",
            value=sum(timeline.inflight for timeline in running),
        )
        yield GaugeMetricFamily(
            "chatgw_cost_reserved_usd",
            "What is set aside for turns that run, in dollars.",
            value=sum(timeline.reserved_nano for timeline in running) / NANO_PER_USD,
        )
