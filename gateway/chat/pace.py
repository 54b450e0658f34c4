"""How often somebody may ask: so many times at once, and then once more whenever a little time has passed."""

from collections.abc import Hashable
from typing import Generic, TypeVar
from uuid import UUID

from gateway.chat.errors import RateLimited
from gateway.chat.ports import Clock

MINUTE = 60.0
# What a sum of floats may be off by, far below what anybody could wait.
TINY = 1e-6
# Sessions are had for the asking, so the address behind it has a limit too: a few times that of one session,
# because a whole office may come from one address, though never all of it at once.
SESSIONS_OF_ADDRESS = 5

K = TypeVar("K", bound=Hashable)


class Pace(Generic[K]):
    """Lets each key through `per_minute` times at once, then again every 60 / `per_minute` seconds.

    This is the virtual scheduling of ITU-T I.371, annex A: all that is kept of a key is one time, at which it
    will have been quiet for long enough to begin anew.
    """

    def __init__(self, clock: Clock, *, per_minute: int) -> None:
        self._clock = clock
        self._interval = MINUTE / per_minute
        # A key not seen for a minute has nothing to answer for. Those of the last minute, and those of the
        # one before: so what is forgotten needs no search.
        self._recent: dict[K, float] = {}
        self._older: dict[K, float] = {}
        self._began = clock.time()

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def wait(self, key: K) -> float:
        """Return in how many seconds `key` may be let through, 0 for now."""
        over = self._due(key) + self._interval - self._clock.time() - MINUTE
        return over if over > TINY else 0.0

    def take(self, key: K) -> None:
        """Note that `key` was let through."""
        now = self._clock.time()
        due = max(now, self._due(key)) + self._interval
        if now - self._began >= MINUTE:
            self._recent, self._older, self._began = {}, self._recent, now
        self._recent[key] = due

    def _due(self, key: K) -> float:
        return self._recent.get(key) or self._older.get(key) or 0.0


class MessagePace:
    """How many messages a minute a session may send, and all sessions of an address together."""

    def __init__(self, clock: Clock, *, per_minute: int) -> None:
        self._sessions = Pace[UUID](clock, per_minute=per_minute)
        self._addresses = Pace[int](clock, per_minute=per_minute * SESSIONS_OF_ADDRESS)

    def take(self, session_id: UUID, *, address: int) -> None:
        """Let a message through; raises `RateLimited` where it comes too soon, and then does not count it."""
        wait = max(self._sessions.wait(session_id), self._addresses.wait(address))
        if wait:
            raise RateLimited(retry_after=wait)
        self._sessions.take(session_id)
        self._addresses.take(address)
