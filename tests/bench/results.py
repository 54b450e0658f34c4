"""What was measured, as it is kept in docs/performance.json."""

from enum import StrEnum, unique

import msgspec

from tests.bench.servers import Which


@unique
class Case(StrEnum):
    """A load that all that is compared is put under."""

    FLAT_OUT = "flat out"
    PACED = "paced"
    ALONE = "alone"
    BURST = "burst"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One server under one load, once."""

    case: Case
    streams: int
    which: Which
    # CPU microseconds of the server's process for each chunk.
    cpu: float
    # Of its core, while it was under load: near 1, the delays are those of a queue.
    busy: float
    # The same of the clients and the upstream together: near 1, they are what is measured.
    load_busy: float
    frames_an_answer: float
    # Questions that got an error for an answer; they are in no other figure.
    refused: int
    # Microseconds by percentile: from question to first text, and from the upstream's writing to arrival.
    first: dict[int, int]
    ages: dict[int, int]


class TurnRun(msgspec.Struct, frozen=True, kw_only=True):
    """One server, once: CPU microseconds of a turn with one chunk."""

    which: Which
    cpu: float


class RoundTrips(msgspec.Struct, frozen=True, kw_only=True):
    """Round trips for each turn, by the statement or command they were for; checkpoints aside."""

    # Other processes on the same Redis.
    others: int
    postgres: dict[str, float]
    redis: dict[str, float]


@unique
class Held(StrEnum):
    """What a server holds in memory."""

    IDLE = "idle connections"
    STREAMING = "running answers"
    ANSWERED = "pages with an answer"
    TURNS = "turns"


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that are a process's own while it holds so many of something."""

    held: Held
    which: Which
    count: int
    size: int


class ProcessesRun(msgspec.Struct, frozen=True, kw_only=True):
    """Some gateway processes on one port under one load, once."""

    streams: int
    # CPU microseconds of all of them together for each chunk, and of that the share of each.
    cpu: float
    shares: list[float]
    # Seconds of the whole, of which an answer alone takes 10.
    seconds: float


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Where and when something was measured."""

    day: str
    processor: str
    cores: int
    system: str
    libraries: str
    # How busy the machine was with other work: processes that wanted to run, on average over a minute.
    load_before: float


class Results(msgspec.Struct, kw_only=True):
    """All of one `make bench`, or of some of its parts."""

    # By part.
    settings: dict[str, Setting] = {}
    runs: list[Run] = []
    turns: list[TurnRun] = []
    round_trips: list[RoundTrips] = []
    weights: list[Weight] = []
    processes: list[ProcessesRun] = []
