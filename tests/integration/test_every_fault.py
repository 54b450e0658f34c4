"""Whatever goes wrong upstream: one end in time, with its code, and nothing left behind."""

import asyncio
from typing import NamedTuple

import pytest

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.faults import Fault
from tests.chat_client import ChatClient, Frame
from tests.integration import figures
from tests.integration.money import (
    OPEN_DOOR,
    PROMISED_SECONDS,
    connected,
    faults,
    nothing_left,
    seen_of,
)
from tests.running_gateway import FLAT_OUT, running_gateway

TURN = 3.0
FIRST_CHUNK = 1.0
STALL = 0.7
# What `sim-429` asks for is one second: here it fits.
ROOM_FOR_RETRY = 1.8


class End(NamedTuple):
    """How a turn has to end: its code or finish reason, after how many requests, in how many seconds."""

    said: str
    requests: int = 1
    seconds: float = TURN
    first_chunk: float = FIRST_CHUNK


ENDS = {
    Fault.RATE_LIMIT: End("upstream_rate_limited", 2, ROOM_FOR_RETRY, ROOM_FOR_RETRY),
    Fault.RATE_LIMIT_ONCE: End("stop", 2, first_chunk=ROOM_FOR_RETRY),
    Fault.QUOTA: End("quota_exhausted"),
    Fault.SERVER_ERROR: End("upstream_unavailable", 2, FIRST_CHUNK),
    Fault.SERVER_ERROR_ONCE: End("stop", 2),
    Fault.BAD_GATEWAY: End("upstream_unavailable", 2, FIRST_CHUNK),
    Fault.BAD_REQUEST: End("upstream_rejected"),
    Fault.BAD_KEY: End("key_invalid"),
    Fault.CONTEXT: End("context_too_long"),
    Fault.REFUSE: End("upstream_unavailable", 2, FIRST_CHUNK),
    Fault.HANG: End("first_chunk_timeout", seconds=FIRST_CHUNK),
    Fault.COMMENTS: End("first_chunk_timeout", seconds=FIRST_CHUNK),
    Fault.SLOW: End("first_chunk_timeout", seconds=FIRST_CHUNK),
    Fault.RESET: End("upstream_truncated"),
    # It is over long before the first content would have been due.
    Fault.STALL: End("stalled", seconds=STALL + 0.1, first_chunk=TURN - 0.1),
    Fault.EOF: End("upstream_truncated"),
    Fault.ERROR_EVENT: End("upstream_truncated"),
    Fault.JUNK: End("upstream_truncated"),
    Fault.CONTENT_FILTER: End("content_filter"),
    Fault.NO_USAGE: End("stop"),
    Fault.IGNORE_MAX_TOKENS: End("length"),
}


async def timed_ask(client: ChatClient, text: str) -> tuple[list[Frame], float]:
    """Ask and return the frames of the turn, and how many seconds it took."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    frames = await client.ask(text)
    return frames, loop.time() - started


def test_no_fault_is_forgotten() -> None:
    """Every fault the simulator knows has its end here."""
    assert set(ENDS) == set(Fault)


@pytest.mark.parametrize("turns", [2, pytest.param(20, marks=pytest.mark.stress)])
@pytest.mark.parametrize("fault", Fault)
async def test_fault(
    fault: Fault, turns: int, postgres: EmbeddedServer, database: Database
) -> None:
    """Each turn ends once, with its code, within its deadline and a second; then all is as before."""
    end = ENDS[fault]
    async with (
        running_gateway(
            database=postgres.url,
            options=FLAT_OUT,
            openai_max_output_tokens="100",
            limits_first_chunk_seconds=str(end.first_chunk),
            limits_stall_seconds=str(STALL),
            limits_turn_seconds=str(TURN),
            **OPEN_DOOR,
        ) as gateway,
        connected(*[gateway.url] * turns) as clients,
        nothing_left(gateway, database),
    ):
        # Twice as many as turns, because some ask again.
        async with faults(gateway, fault, times=2 * turns):
            asked = [timed_ask(client, f"Why {n}?") for n, client in enumerate(clients)]
            told = await asyncio.gather(*asked)
        for frames, seconds in told:
            assert [f["type"] for f in frames].count("accepted") == 1
            assert said(frames[-1]) == end.said
            assert seconds <= end.seconds + PROMISED_SECONDS
            assert len(seen_of(gateway, frames[-1]["trace_id"])) == end.requests
        # A second end of the first turn would come before the second turn's `accepted`.
        for frames in await asyncio.gather(*(client.ask("Go on.") for client in clients)):
            assert frames[0]["type"] == "accepted"
            assert {f["turn_id"] for f in frames} == {frames[0]["turn_id"]}
            assert said(frames[-1]) == "stop"
    slowest = max(seconds for _, seconds in told)
    figures.record(f"{fault} x {turns}", f"{end.said}, the slowest after {slowest:.2f} s")


def said(end: Frame) -> str:
    """Return the code or the finish reason of the frame that ends a turn."""
    said: str = end["code"] if end["type"] == "error" else end["finish_reason"]
    return said
