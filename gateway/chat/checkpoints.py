"""Keep running turns alive in the store, with what they have so far, and end those nobody keeps alive."""

import asyncio
import logging

from gateway.chat.errors import GatewayError
from gateway.chat.guard import Stop
from gateway.chat.ports import Store
from gateway.chat.records import Partial
from gateway.chat.rules import Rules
from gateway.chat.sessions import Sessions

logger = logging.getLogger(__name__)

# A process silent for this long is taken for dead, and its turns for interrupted: a few checkpoints missed.
# If it lives after all, what it says of a turn's end counts.
# With the relay's `QUIET_SECONDS` well below five seconds: nobody is to watch a dead answer for longer.
LEASE_SECONDS = 3.5
# How often each process looks for turns whose process died.
SWEEP_SECONDS = 2.0


async def keep_checkpoints(sessions: Sessions, *, store: Store, rules: Rules) -> None:
    """Save partial texts and extend leases, all of them in one call, until cancelled."""
    while True:
        await asyncio.sleep(rules.checkpoint_seconds)
        partials = [
            Partial(turn_id=r.turn.id, text=r.turn.answer.text, pieces=r.turn.answer.position)
            for _, r in sessions.running()
        ]
        if not partials:
            continue
        try:
            cancelled = await store.checkpoint(partials, lease=LEASE_SECONDS)
        except GatewayError:
            # The end of each turn is saved with retries; a missed checkpoint costs nothing but safety.
            logger.warning("checkpoint.failed")
            continue
        for _, reading in sessions.running():
            if reading.turn.id in cancelled:
                reading.deadlines.stop(Stop.CANCELLED)


async def sweep_expired(*, store: Store) -> None:
    """End the turns of processes that died, until cancelled: what they reserved must not stay reserved."""
    while True:
        try:
            expired = await store.expire()
        except GatewayError:
            logger.warning("sweep.failed")
            # Back again, the store is late for everybody: give the living time for a checkpoint.
            await asyncio.sleep(LEASE_SECONDS)
        else:
            if expired:
                logger.warning("turns.expired", extra={"turns": expired})
        await asyncio.sleep(SWEEP_SECONDS)
