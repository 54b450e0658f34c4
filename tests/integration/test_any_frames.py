"""Thousands of frames that nobody of good will sends: each is answered as documented."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import WSMsgType

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.chat.codes import Code
from gateway.chat.frames import SUBPROTOCOL
from gateway.dev.embedded_server import EmbeddedServer
from gateway.web.connection import BAD_FRAMES
from tests.any_frames import Sent, any_frames
from tests.chat_client import ChatClient, Frame, text_of
from tests.integration import figures
from tests.integration.helpers import REPORT, RUNNING, failures, question
from tests.integration.money import OPEN_DOOR
from tests.promises import GUARD_SECONDS
from tests.running_gateway import running_gateway

PLAYERS = 6
# Binary, not UTF-8, too long, a flood, three bad ones in a row, a token of nobody.
CLOSES = {1003, 1007, 1009, 4029, 4500, 4502}
# What answers a frame by itself; anything else is the beginning of a turn.
WHOLE = ("error", "pong", "ready")


class Player:
    """Sends frames one by one, over as many connections as that takes, and checks what comes back."""

    def __init__(self, http: aiohttp.ClientSession, *, url: str) -> None:
        self._http = http
        self._url = url
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._bad = 0
        self._connections = 0
        self.outcomes = Counter[str]()

    async def play(self, frames: Sequence[Sent]) -> None:
        """Send each of `frames`, and wait for what answers it before the next one."""
        for frame in frames:
            try:
                async with asyncio.timeout(GUARD_SECONDS):
                    self.outcomes[await self._outcome(frame)] += 1
            except (TimeoutError, AssertionError) as error:
                raise AssertionError(f"{error!r} after {frame!r}") from None
        if self._socket is not None:
            await self._socket.close()

    async def _outcome(self, frame: Sent) -> str:
        socket = await self._connected()
        with suppress(ConnectionError):
            await socket.send_frame(frame.data, frame.kind)
        if frame.kind in (WSMsgType.PING, WSMsgType.PONG):
            # aiohttp's client keeps the answer to itself.
            return "nothing"
        answer = await self._receive()
        if isinstance(answer, int):
            return str(answer)
        end: Frame | int = answer
        while isinstance(end, dict) and end["type"] not in (*WHOLE, "done"):
            end = await self._receive()
        assert isinstance(end, dict), end
        if end["type"] != "error":
            self._bad = 0
            return "a turn" if end["type"] == "done" else str(end["type"])
        return await self._refused(end)

    async def _refused(self, error: Frame) -> str:
        code = Code(error["code"])
        assert code is not Code.INTERNAL, error
        self._bad = self._bad + 1 if code is Code.INVALID_FRAME else 0
        if self._bad == BAD_FRAMES:
            assert await self._receive() == 4500
        elif code is Code.SESSION_NOT_FOUND:
            assert await self._receive() == 4502
        return code.value

    async def _connected(self) -> aiohttp.ClientWebSocketResponse:
        if self._socket is None:
            self._socket = await self._http.ws_connect(
                f"{self._url}/ws", protocols=(SUBPROTOCOL,), max_msg_size=0
            )
            self._bad = 0
            self._connections += 1
            # Now and then nobody has said hello.
            if self._connections % 4:
                await self._socket.send_str('{"type":"hello","report_id":"saesol"}')
                assert json.loads(await self._socket.receive_str())["type"] == "ready"
        return self._socket

    async def _receive(self) -> Frame | int:
        """Return the next frame, or the code with which the connection was closed."""
        assert self._socket is not None
        message = await self._socket.receive()
        if message.type is WSMsgType.TEXT:
            frame: Frame = json.loads(message.data)
            return frame
        code, self._socket = self._socket.close_code, None
        assert code in CLOSES, (code, message)
        return code


async def converse(client: ChatClient, *, until: asyncio.Event) -> int:
    """Ask again and again, check that each answer is whole, and return how many there were."""
    answers = 0
    while not until.is_set():
        frames = await client.ask(question(answers))
        assert frames[-1]["type"] == "done"
        assert text_of(frames)
        answers += 1
    return answers


@pytest.mark.parametrize("count", [600, pytest.param(10_000, marks=pytest.mark.stress)])
async def test_any_frames(
    store: PostgresStore,
    database: Database,
    postgres: EmbeddedServer,
    caplog: pytest.LogCaptureFixture,
    count: int,
) -> None:
    """Each is answered by a frame or a close of the documented ones, and a neighbour's answers stay whole."""
    await store.import_reports([REPORT])
    frames = any_frames(count)
    async with (
        running_gateway(
            database=postgres.url, options=RUNNING, cost_session_usd="50", **OPEN_DOOR
        ) as gateway,
        ChatClient.connect(gateway.url, report_id=REPORT.id) as neighbour,
        aiohttp.ClientSession() as http,
    ):
        over = asyncio.Event()
        asking = asyncio.create_task(converse(neighbour, until=over))
        players = [Player(http, url=gateway.url) for _ in range(PLAYERS)]
        await asyncio.gather(*(p.play(frames[n::PLAYERS]) for n, p in enumerate(players)))
        over.set()
        answers = await asking
    outcomes = sum((player.outcomes for player in players), Counter[str]())
    assert failures(caplog) == []
    assert outcomes.total() == count
    # All that can be met was met.
    assert {"1003", "1007", "1009", "invalid_frame", "unknown_turn", "a turn", "pong"} <= {
        *outcomes
    }
    assert answers > 0
    figures.record(
        f"{count} made-up frames", f"{dict(outcomes.most_common())}; {answers} answers beside them"
    )
