"""Who may come in, and how many at once."""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network, IPv6Network

from aiohttp import hdrs, web

from gateway.chat.errors import Interrupted, Overloaded, TooManyConnections
from gateway.web.address import client_of
from gateway.web.keys import SERVICE

ALLOWED_ORIGINS = web.AppKey("allowed_origins", frozenset[str])
# Nobody knows when somebody leaves; it is about as often as the page tries again by itself.
RETRY_SECONDS = 10.0


def check_origin(request: web.Request) -> None:
    """Raise 403 for a page of another site (cross-site WebSocket hijacking, CWE-1385).

    A browser always sends Origin with an upgrade; what sends none is not a browser, and holds no visitor's
    session. Without a configured list, a page may talk to the host it came from.
    """
    origin = request.headers.get(hdrs.ORIGIN)
    # As browsers write it (RFC 6454, 6.2), letter by letter: whatever is written otherwise is no browser's.
    # https too, because it may be a proxy that speaks TLS.
    ours = request.app[ALLOWED_ORIGINS] or (f"http://{request.host}", f"https://{request.host}")
    if origin is not None and origin not in ours:
        raise web.HTTPForbidden(text="origin not allowed")


class Door:
    """Counts the connections that stay open, all of them and those of each address."""

    def __init__(
        self, *, most: int, most_of_address: int, trusted: Collection[IPv4Network | IPv6Network]
    ) -> None:
        self._most = most
        self._most_of_address = most_of_address
        self._trusted = trusted
        self._open = 0
        self._open_of_address: Counter[int] = Counter()

    def __len__(self) -> int:
        return self._open

    def enter(self, request: web.Request) -> int:
        """Let a connection in that will `leave`, and return whose it is.

        Raises `Interrupted` while draining, `Overloaded` and `TooManyConnections`.
        """
        address = self.address_of(request)
        if request.app[SERVICE].draining:
            # Another process takes them, or this one restarted.
            raise Interrupted(retry_after=RETRY_SECONDS)
        if self._open >= self._most:
            raise Overloaded(retry_after=RETRY_SECONDS)
        if self._open_of_address[address] >= self._most_of_address:
            raise TooManyConnections(retry_after=RETRY_SECONDS)
        self._open += 1
        self._open_of_address[address] += 1
        return address

    def leave(self, address: int) -> None:
        """Make room again."""
        self._open -= 1
        self._open_of_address[address] -= 1
        if not self._open_of_address[address]:
            del self._open_of_address[address]

    @contextmanager
    def inside(self, request: web.Request) -> Iterator[int]:
        """Count the connection while the block runs; yields whose it is, and raises as `enter` does."""
        address = self.enter(request)
        try:
            yield address
        finally:
            self.leave(address)

    def address_of(self, request: web.Request) -> int:
        """Return whose request it is."""
        forwarded = request.headers.getall("X-Forwarded-For", ())
        return client_of(request.remote, forwarded, trusted=self._trusted)


DOOR = web.AppKey("door", Door)
