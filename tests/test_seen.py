"""The simulator's record stays small."""

from gateway.dev.openai_wire import Line
from gateway.dev.seen import PROMPTS_KEPT, REQUESTS_KEPT, SeenRequest, SimulatorLog


def a_request() -> SeenRequest:
    """Return a request with a prompt."""
    return SeenRequest(
        model="sim",
        messages=(Line("user", "?"),),
        max_completion_tokens=None,
        stream=True,
        fault=None,
        traceparent=None,
    )


def test_old_prompts_are_dropped() -> None:
    """Only the latest prompts are kept, so that a load test does not fill the memory."""
    log = SimulatorLog()
    for _ in range(PROMPTS_KEPT + 1):
        log.add(a_request())
    assert (log.requests[0].messages, log.requests[1].messages) == ((), (("user", "?"),))


def test_bill_outlives_requests() -> None:
    """The bill counts requests that are no longer kept."""
    log = SimulatorLog()
    for _ in range(REQUESTS_KEPT + 1):
        request = a_request()
        log.add(request)
        log.charge(request, input_tokens=2, output_tokens=1)
    assert len(log.requests) == REQUESTS_KEPT
    assert (log.total_requests, log.total_input, log.total_output) == (10_001, 20_002, 10_001)
