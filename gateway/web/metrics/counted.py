"""What is counted at the doors in plain numbers, as metrics when somebody asks."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

from gateway.web.counts import Counts


class Counted(Collector):
    """Turns `Counts` into samples at each scrape, so that counting itself costs next to nothing."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield each of the counters as it is now."""
        counts = self._counts
        yield _family(
            "chatgw_connections",
            "Attempts to connect, by what came of them.",
            ("transport", "result"),
            counts.admissions.items(),
        )
        yield _family(
            "chatgw_disconnects",
            "Ends of connections, by close code.",
            ("transport", "code"),
            counts.disconnects.items(),
        )
        yield _family(
            "chatgw_frames",
            "Frames, in from clients and out to them.",
            ("direction", "type"),
            (
                *((("in", _tag(kind)), count) for kind, count in counts.received.items()),
                (("in", "invalid"), counts.invalid),
                *((("out", _tag(kind)), count) for kind, count in counts.sent.items()),
            ),
        )
        yield _family(
            "chatgw_resumes",
            "Answers somebody came back to, by what was shown.",
            ("result",),
            _single(counts.resumptions),
        )
        yield _family(
            "chatgw_send_queue_dropped_connections",
            "Connections dropped because they took nothing any more.",
            ("reason",),
            _single(counts.drops),
        )
        yield _family(
            "chatgw_errors",
            "Errors that readers were told, by code.",
            ("code",),
            _single(counts.errors),
        )


def _family(
    name: str,
    text: str,
    labels: tuple[str, ...],
    samples: Iterable[tuple[tuple[str, ...], int]],
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in samples:
        family.add_metric(values, count)
    return family


def _single(counts: Mapping[Any, int]) -> Iterator[tuple[tuple[str], int]]:
    return (((str(value),), count) for value, count in counts.items())


def _tag(frame: Any) -> str:
    return str(frame.__struct_config__.tag)
