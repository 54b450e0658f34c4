"""Whether visitors may be sent to this process: what it needs, and what it can do without."""

import asyncio
from enum import StrEnum, unique

import msgspec
from aiohttp import web

from gateway.chat.errors import GatewayError
from gateway.chat.ports import Store
from gateway.web.keys import CACHE, SERVICE, STORE

# Whoever asks is told within five seconds; the cache, which is asked before, has a bound of its own.
STORE_SECONDS = 4.0


@unique
class Status(StrEnum):
    """How it stands with the process."""

    OK = "ok"
    DEGRADED = "degraded"
    STARTING = "starting"
    DRAINING = "draining"
    STORAGE_UNAVAILABLE = "storage_unavailable"


@unique
class Check(StrEnum):
    """What came of looking at one thing."""

    OK = "ok"
    FAILED = "failed"
    NOT_CONFIGURED = "not_configured"


class Readiness(msgspec.Struct, frozen=True):
    """How it stands, and with what."""

    status: Status
    checks: dict[str, Check]

    @property
    def ready(self) -> bool:
        """Whether visitors may be sent."""
        return self.status in (Status.OK, Status.DEGRADED)


async def look(app: web.Application) -> Readiness:
    """Look at everything but the upstream: that it is away is told better to whoever asks a question."""
    if SERVICE not in app:
        # The tokenizer is what a start waits for.
        return Readiness(Status.STARTING, {"started": Check.FAILED, "tokenizer": Check.FAILED})
    draining = app[SERVICE].draining
    cached = await app[CACHE].reachable()
    stored = await _reachable(app[STORE])
    checks = {
        "started": Check.OK,
        "tokenizer": Check.OK,
        "not_draining": Check.FAILED if draining else Check.OK,
        "postgres": Check.OK if stored else Check.FAILED,
        "redis": _of_cache(cached),
    }
    if draining:
        return Readiness(Status.DRAINING, checks)
    if not stored:
        return Readiness(Status.STORAGE_UNAVAILABLE, checks)
    return Readiness(Status.DEGRADED if cached is False else Status.OK, checks)


async def _reachable(store: Store) -> bool:
    try:
        async with asyncio.timeout(STORE_SECONDS):
            await store.ping()
    except (GatewayError, TimeoutError):
        return False
    return True


def _of_cache(reachable: bool | None) -> Check:
    match reachable:
        case None:
            return Check.NOT_CONFIGURED
        case True:
            return Check.OK
        case False:
            return Check.FAILED
