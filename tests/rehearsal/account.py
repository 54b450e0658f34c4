"""What one fault looks like from outside: on the page, in the metrics, in the log, in the timeline."""

from typing import Any

import msgspec

from tests.integration.scrape import Scrape
from tests.rehearsal.reader import Seen
from tests.rehearsal.theatre import Line

# What moves with a turn and by the same amount each time. Frames, connections and times do not.
COUNTERS = (
    "chatgw_turns_total",
    "chatgw_errors_total",
    "chatgw_upstream_attempts_total",
    "chatgw_context_loads_total",
    "chatgw_tokens_total",
    "chatgw_cost_usd_total",
)
CALLS = "chatgw_dependency_duration_seconds_count"
# What a line says besides when, where and in which trace, as far as it is the same each time.
FIELDS = ("status", "error_type", "outcome", "pgcode")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What a fault looked like: `pages` by language; of an outage also `readiness`, and how it `healed`."""

    pages: dict[str, Seen]
    readiness: str | None
    healed: Seen | None
    metrics: list[str]
    log: list[str]
    timeline: list[str]

    def markdown(self) -> str:
        """Return it as the rows of a table."""
        rows = [
            ("the page, in Korean", _page(self.pages["ko"])),
            ("in English", _page(self.pages["en"])),
            ("metrics", "<br>".join(self.metrics)),
            ("log", "<br>".join(self.log)),
            ("timeline", " → ".join(self.timeline)),
        ]
        if self.readiness is not None:
            rows.append(("`/readyz`", self.readiness))
        if self.healed is not None:
            rows.append(("once it is back", _page(self.healed)))
        return "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows)])


def moves(before: Scrape, after: Scrape) -> list[str]:
    """Return the series that moved between two scrapes, and by how much where that is always the same."""
    old = {_series(sample): sample.value for sample in before.samples()}
    moved = {name: list[str]() for name in (*COUNTERS, CALLS)}
    for sample in after.samples():
        series, change = _series(sample), sample.value - old.get(_series(sample), 0.0)
        if change and sample.name in COUNTERS:
            moved[sample.name].append(f"`{series}` +{change:.9f}".rstrip("0").rstrip("."))
        elif change and sample.name == CALLS and (result := sample.labels["result"]) != "ok":
            # Which call was the first to fail, and how many did, is chance.
            dependency = sample.labels["dependency"]
            moved[CALLS].append(f'`{CALLS}{{dependency="{dependency}",result="{result}"}}` rises')
    return [move for moves in moved.values() for move in sorted(set(moves))]


def lines(log: list[Line], *, trace_id: str) -> list[str]:
    """Return the lines of no trace, then those of a trace, each kind once."""
    # In this order, because who hears of an outage first is chance.
    ours = [line for line in log if line.get("trace_id") == trace_id]
    nobodys = [line for line in log if "trace_id" not in line]
    return list(dict.fromkeys(map(_line, nobodys + ours)))


def steps(view: dict[str, Any]) -> list[str]:
    """Return what happened to a turn, in order, with the seconds that had passed by then."""
    told = [
        (view["accepted_ms"], "question stored"),
        (view["recalled_ms"], f"context: {view['context']}"),
        (view["reserved_ms"], f"${view['reserved_usd']} set aside"),
        *((a["began_ms"], f"upstream asked: `{a['result']}`") for a in view["attempts"]),
        (view["first_chunk_ms"], "first text"),
        (view["ended_ms"], f"ended: `{view['outcome']}`, ${view['cost_usd']}"),
        (view["saved_ms"], "end stored"),
    ]
    return [f"{_seconds(at)}{what}" for at, what in told if at is not None]


def _seconds(milliseconds: int) -> str:
    seconds = round(milliseconds / 1000)
    return f"{seconds} s: " if seconds else ""


def _page(seen: Seen) -> str:
    said = [*seen.notes, seen.error or "*(the answer)*"]
    return " → ".join(said) + (" **[다시 시도 / Try again]**" if seen.retry else "")


def _series(sample: Any) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
    return f"{sample.name}{{{labels}}}" if labels else str(sample.name)


def _line(line: Line) -> str:
    fields = "".join(f" {name}={line[name]}" for name in FIELDS if name in line)
    return f"`{line['event']}` {line['level']}{fields}"
