"""What the simulator saw and billed, for tests to compare with what the gateway thinks."""

from collections import deque
from dataclasses import dataclass, field

from gateway.dev.faults import Fault
from gateway.dev.openai_wire import Line

REQUESTS_KEPT = 10_000
# A prompt may be tens of kilobytes: ten thousand of them would fill the memory in a load test.
PROMPTS_KEPT = 1_000


@dataclass(slots=True, kw_only=True)
class SeenRequest:
    """One request; the fields below `traceparent` change while it is being answered."""

    model: str
    messages: tuple[Line, ...]  # (role, content); emptied once PROMPTS_KEPT newer ones came
    max_completion_tokens: int | None
    stream: bool
    fault: Fault | None
    traceparent: str | None
    client_request_id: str | None = None
    billed_input: int = 0  # tokens
    billed_output: int = 0  # tokens sent so far
    finished: bool = False  # the answer was sent to its end
    closed_early: bool = False  # the client went away first


@dataclass(slots=True)
class SimulatorLog:
    """The latest requests, oldest first, and the bill of all of them."""

    requests: deque[SeenRequest] = field(default_factory=lambda: deque(maxlen=REQUESTS_KEPT))
    total_requests: int = 0
    total_input: int = 0  # tokens
    total_output: int = 0  # tokens

    def add(self, seen: SeenRequest) -> None:
        """Record a request as it arrives."""
        self.requests.append(seen)
        self.total_requests += 1
        if len(self.requests) > PROMPTS_KEPT:
            self.requests[-PROMPTS_KEPT - 1].messages = ()

    def charge(self, seen: SeenRequest, *, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """Add tokens to the bill of `seen` and to the whole bill."""
        seen.billed_input += input_tokens
        seen.billed_output += output_tokens
        self.total_input += input_tokens
        self.total_output += output_tokens
