"""What became of timed pieces on their way, and what is said about it."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.selftest import Arrival, Outcome, Report, Verdict, judge

PIECES = 10
PAUSE_MS = 100.0
OK = Outcome(Verdict.OK)


def arrivals(*delays: float) -> list[Arrival]:
    """Return the arrivals of pieces that took so many milliseconds each; none overtakes another."""
    came, seen = 0.0, []
    for n, delay in enumerate(delays):
        came = max(came, n * PAUSE_MS + delay)
        seen.append(Arrival(n * PAUSE_MS, came))
    return seen


def judged(*delays: float) -> Verdict:
    """Return what is made of ten pieces with these delays."""
    return judge(arrivals(*delays), of=PIECES)


def in_lumps(size: int, *, latency: float) -> list[float]:
    """Return the delays of pieces that a proxy passes on in lumps, each when its last piece is there."""
    last = [min((n // size + 1) * size, PIECES) - 1 for n in range(PIECES)]
    return [(last[n] - n) * PAUSE_MS + latency for n in range(PIECES)]


@given(
    latency=st.floats(0, 5_000),
    jitter=st.lists(st.floats(0, PAUSE_MS * 0.49), min_size=PIECES, max_size=PIECES),
)
def test_a_slow_and_unsteady_network(latency: float, jitter: list[float]) -> None:
    """A long way, and an unsteady one within half a pause: the pieces came as they were sent."""
    assert judged(*(latency + each for each in jitter)) is Verdict.OK


@given(at=st.integers(0, PIECES - 1), hiccup=st.floats(0, 4 * PAUSE_MS))
def test_one_hiccup(at: int, hiccup: float) -> None:
    """A network that stands still once, for less than half of the time, buffers nothing."""
    assert judged(*(hiccup if n == at else 0 for n in range(PIECES))) is Verdict.OK


@given(size=st.integers(2, PIECES), latency=st.floats(0, 5_000))
def test_a_proxy_that_collects(size: int, latency: float) -> None:
    """A proxy that passes on two pieces at a time, or more, or all at the end, buffers."""
    assert judged(*in_lumps(size, latency=latency)) is Verdict.BUFFERED


@given(came=st.integers(1, PIECES - 1))
def test_a_proxy_that_cuts(came: int) -> None:
    """Some pieces and then no more: cut off."""
    assert judge(arrivals(*[0] * came), of=PIECES) is Verdict.CUT


def test_nothing_came() -> None:
    """No piece at all: blocked."""
    assert judge([], of=0) is Verdict.BLOCKED


def test_all_is_well() -> None:
    """Where both transports work there is nothing to advise."""
    report = Report(socket=OK, events=OK, round_trip_ms=12.4)
    assert report.fine
    assert str(report).splitlines() == [
        "WebSocket   ok",
        "SSE         ok",
        "round trip  12 ms",
    ]


def test_each_trouble_has_its_advice() -> None:
    """What to change follows from what happened."""
    for socket, events, line in (
        (Outcome(Verdict.BLOCKED), OK, "    proxy_set_header Upgrade $gateway_upgrade;"),
        (Outcome(Verdict.BLOCKED, 400), OK, "    proxy_set_header Upgrade $gateway_upgrade;"),
        (OK, Outcome(Verdict.BUFFERED), "    proxy_buffering off;"),
        (OK, Outcome(Verdict.CUT), "    proxy_read_timeout 75s;"),
        (Outcome(Verdict.BLOCKED, 403), OK, "    proxy_set_header Host $http_host;"),
        (Outcome(Verdict.BUFFERED), OK, "a company's proxy."),
    ):
        report = Report(socket=socket, events=events, round_trip_ms=1)
        assert not report.fine
        assert line in str(report).splitlines()


def test_a_refusal_is_no_proxys_fault() -> None:
    """Where the gateway itself has no room, no advice is given about a proxy."""
    full = Outcome(Verdict.BLOCKED, 429)
    assert "nginx" not in str(Report(socket=full, events=full, round_trip_ms=1))


def test_nobody_answers() -> None:
    """Where nobody answers that is all that is said."""
    report = Report(silence="Its name is unknown.")
    assert not report.fine
    assert str(report) == "Its name is unknown."
