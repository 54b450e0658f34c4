"""So many messages a minute: the one too many is told when to come back, and quiet is forgotten."""

from uuid import UUID, uuid4

import pytest

from gateway.chat.errors import RateLimited
from gateway.chat.pace import MINUTE, SESSIONS_OF_ADDRESS, MessagePace, Pace
from tests.fakes import FakeClock

HERE, THERE = 1, 2
SESSION = uuid4()


def taken(pace: MessagePace, session_id: UUID = SESSION, *, address: int = HERE) -> bool:
    """Return whether a message is let through."""
    try:
        pace.take(session_id, address=address)
    except RateLimited:
        return False
    return True


@pytest.mark.parametrize("per_minute", [1, 2, 7, 20, 59, 1000])
def test_one_too_many(per_minute: int) -> None:
    """So many come through at once, and not one more."""
    pace = Pace[str](FakeClock(), per_minute=per_minute)
    for _ in range(per_minute):
        assert pace.wait("a") == 0
        pace.take("a")
    assert pace.wait("a") == pytest.approx(MINUTE / per_minute)


@pytest.mark.parametrize("per_minute", [1, 7, 20])
def test_told_when_to_come_back(per_minute: int) -> None:
    """Who waits as long as it was told comes through, once; who comes earlier does not."""
    clock = FakeClock()
    pace = Pace[str](clock, per_minute=per_minute)
    for _ in range(per_minute):
        pace.take("a")
    clock.advance(pace.wait("a") - 0.001)
    assert pace.wait("a") > 0
    clock.advance(pace.wait("a"))
    assert pace.wait("a") == 0
    pace.take("a")
    assert pace.wait("a") == pytest.approx(MINUTE / per_minute)


def test_after_a_minute_of_quiet() -> None:
    """After a minute of quiet as many come through at once as at the start."""
    clock = FakeClock()
    pace = Pace[str](clock, per_minute=20)
    for _ in range(2):
        for _ in range(20):
            assert pace.wait("a") == 0
            pace.take("a")
        clock.advance(MINUTE)


def test_a_steady_pace_goes_on() -> None:
    """Whoever keeps to the limit is never held up."""
    clock = FakeClock()
    pace = Pace[str](clock, per_minute=20)
    for _ in range(500):
        assert pace.wait("a") == 0
        pace.take("a")
        clock.advance(3)


def test_keys_are_apart() -> None:
    """What one does holds nobody else up."""
    pace = Pace[str](FakeClock(), per_minute=1)
    pace.take("a")
    assert (pace.wait("a") > 0, pace.wait("b")) == (True, 0)


def test_quiet_keys_are_forgotten() -> None:
    """However many come and go, only those of the last two minutes are kept."""
    clock = FakeClock()
    pace = Pace[int](clock, per_minute=20)
    for key in range(10_000):
        pace.take(key)
        clock.advance(0.1)
    assert len(pace) <= 2 * MINUTE / 0.1 + 1


def test_forgetting_is_no_pardon() -> None:
    """Whoever has used up their minute is held up still when others have been forgotten."""
    clock = FakeClock()
    pace = Pace[str](clock, per_minute=2)
    clock.advance(MINUTE - 1)
    pace.take("a")
    pace.take("a")
    clock.advance(2)
    pace.take("b")
    assert pace.wait("a") > 0


def test_a_session() -> None:
    """A session's message over the limit is refused, with when to try again."""
    pace = MessagePace(FakeClock(), per_minute=20)
    assert all(taken(pace) for _ in range(20))
    with pytest.raises(RateLimited) as refused:
        pace.take(SESSION, address=HERE)
    assert refused.value.retry_after_ms == 3000


def test_another_session_of_the_address() -> None:
    """A new session is no way around the limit for long: its address has one as well."""
    pace = MessagePace(FakeClock(), per_minute=20)
    passed = sum(taken(pace, uuid4()) for _ in range(1000))
    assert passed == 20 * SESSIONS_OF_ADDRESS


def test_another_address() -> None:
    """An address that has used up its minute holds up no other."""
    pace = MessagePace(FakeClock(), per_minute=1)
    while taken(pace, uuid4()):
        pass
    assert taken(pace, uuid4(), address=THERE)


def test_what_is_refused_does_not_count() -> None:
    """Whoever keeps trying in vain comes through as early as who waits."""
    clock = FakeClock()
    pace = MessagePace(clock, per_minute=20)
    for _ in range(100):
        taken(pace)
    clock.advance(3)
    assert taken(pace)
