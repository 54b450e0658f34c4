"""The ten faults that matter at night."""

import json
from enum import Enum, auto, unique

import msgspec

from gateway.dev.faults import Fault

QUESTIONS = {"ko": "영업이익은 왜 줄었어?", "en": "Why did profit fall?"}
# Some five thousand tokens: the prompt alone passes the rehearsal's cap.
LONG_QUESTIONS = {"ko": "영업이익은 왜 줄었어? " * 500, "en": "Why 1,372.8? " * 600}


@unique
class Outage(Enum):
    """A server of ours that is killed before the question and started again after it."""

    POSTGRES = auto()
    REDIS = auto()


class Scene(msgspec.Struct, frozen=True):
    """A fault: armed at the simulator for so many requests, an outage, or a question too dear.

    An outage is also heard of without a question: `heard` is the event that says so.
    """

    title: str
    fault: Fault | None = None
    times: int = 1
    outage: Outage | None = None
    heard: str = ""

    @property
    def is_dear(self) -> bool:
        """Whether it is the question that makes the trouble."""
        return self.fault is None and self.outage is None

    @property
    def how(self) -> str:
        """How it was made."""
        if self.fault is not None:
            armed = json.dumps({"fault": self.fault.value, "times": self.times})
            return f"Armed with `{armed}`."
        if self.outage is not None:
            return f"`kill -9` of {self.outage.name.capitalize()}, then a question."
        return "A question of several thousand tokens, with `request_usd = 0.0008`."


SCENES = (
    Scene("The upstream says 429, twice", Fault.RATE_LIMIT, times=2),
    Scene("The upstream fails with 500, twice", Fault.SERVER_ERROR, times=2),
    Scene("The upstream hangs before the first word", Fault.HANG),
    Scene("An answer stalls midway", Fault.STALL),
    Scene("An answer is cut, without a finish reason", Fault.EOF),
    Scene("The quota is used up", Fault.QUOTA),
    Scene("The key is refused", Fault.BAD_KEY),
    Scene("A question is dearer than its cap"),
    Scene("Postgres is killed, and comes back", outage=Outage.POSTGRES, heard="sweep.failed"),
    Scene("Redis is killed, and comes back", outage=Outage.REDIS, heard="redis.failed"),
)
