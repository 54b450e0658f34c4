"""Whatever goes wrong upstream: one end in time, with its code, and nothing left behind."""

import asyncio
from typing import NamedTuple
from uuid import uuid4

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
from tests.promises import promised
from tests.running_gateway import FLAT_OUT, RunningGateway, running_gateway

TURN = 20.0
# The wait that `sim-429` asks for, one second, fits, on a busy machine too.
FIRST_CHUNK = 10.0
STALL = 5.0
# Where it is the deadline that ends a turn.
SOON = 1.0
# More would be slow for other reasons than their fault.
AT_ONCE = 5


class End(NamedTuple):
    """How a turn has to end: its code or finish reason, after how many requests, within which deadlines."""

    said: str
    requests: int = 1
    first_chunk: float = FIRST_CHUNK
    stall: float = STALL

    @property
    def seconds(self) -> float:
        """Return in how many seconds it ends; answers come flat out."""
        match self.said:
            case "first_chunk_timeout" | "upstream_rate_limited" | "upstream_unavailable":
                return self.first_chunk
            case "stalled":
                return self.stall
        return TURN


ENDS = {
    Fault.RATE_LIMIT: End("upstream_rate_limited", 2),
    Fault.RATE_LIMIT_ONCE: End("stop", 2),
    Fault.QUOTA: End("quota_exhausted"),
    Fault.SERVER_ERROR: End("upstream_unavailable", 2),
    Fault.SERVER_ERROR_ONCE: End("stop", 2),
    Fault.BAD_GATEWAY: End("upstream_unavailable", 2),
    Fault.BAD_REQUEST: End("upstream_rejected"),
    Fault.BAD_KEY: End("key_invalid"),
    Fault.CONTEXT: End("context_too_long"),
    Fault.REFUSE: End("upstream_unavailable", 2),
    Fault.HANG: End("first_chunk_timeout", first_chunk=SOON),
    Fault.COMMENTS: End("first_chunk_timeout", first_chunk=SOON),
    Fault.SLOW: End("first_chunk_timeout", first_chunk=SOON),
    Fault.RESET: End("upstream_truncated"),
    # It is over long before the first content would have been due.
    Fault.STALL: End("stalled", stall=SOON / 2),
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
    end, took = ENDS[fault], [0.0]
    async with running_gateway(
        database=postgres.url,
        options=FLAT_OUT,
        openai_max_output_tokens="100",
        limits_first_chunk_seconds=str(end.first_chunk),
        limits_stall_seconds=str(end.stall),
        limits_turn_seconds=str(TURN),
        **OPEN_DOOR,
    ) as gateway:
        for _ in range(max(1, turns // AT_ONCE)):
            async with (
                connected(*[gateway.url] * min(turns, AT_ONCE)) as clients,
                nothing_left(gateway, database),
            ):
                took += await ended_as(end, fault, clients, gateway)
                await answered(clients)
    assert max(took) <= end.seconds + promised(PROMISED_SECONDS)
    figures.record(f"{fault} x {turns}", f"{end.said}, the slowest after {max(took):.2f} s")


async def ended_as(
    end: End, fault: Fault, clients: list[ChatClient], gateway: RunningGateway
) -> list[float]:
    """Ask through all `clients` while `fault` is played, and return how many seconds each turn took."""
    # Twice as many as turns, because some ask again.
    async with faults(gateway, fault, times=2 * len(clients)):
        asked = [timed_ask(client, f"Why, {uuid4()}?") for client in clients]
        told = await asyncio.gather(*asked)
    for frames, _ in told:
        assert [f["type"] for f in frames].count("accepted") == 1
        assert said(frames[-1]) == end.said
        assert len(seen_of(gateway, frames[-1]["trace_id"])) == end.requests
    return [seconds for _, seconds in told]


async def answered(clients: list[ChatClient]) -> None:
    """Ask again on the same sockets, of a healthy upstream."""
    for frames in await asyncio.gather(*(client.ask("Go on.") for client in clients)):
        # A second end of the turn before would come before this `accepted`.
        assert frames[0]["type"] == "accepted"
        assert {f["turn_id"] for f in frames} == {frames[0]["turn_id"]}
        assert said(frames[-1]) == "stop"


def said(end: Frame) -> str:
    """Return the code or the finish reason of the frame that ends a turn."""
    said: str = end["code"] if end["type"] == "error" else end["finish_reason"]
    return said
