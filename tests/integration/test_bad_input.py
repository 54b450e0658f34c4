"""Whatever a client sends: the documented code, nothing stored, nothing crashed, nobody else disturbed."""

import json
import logging
from collections.abc import AsyncIterator
from uuid import uuid4

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.chat.frames import FRAME_BYTES, SUBPROTOCOL
from gateway.dev.embedded_server import EmbeddedServer
from tests import canary
from tests.chat_client import ChatClient, Frame
from tests.integration.helpers import (
    REPORT,
    RUNNING,
    begun,
    close_code,
    question,
    stored_turns,
    without,
)
from tests.running_gateway import RunningGateway, running_gateway

INVALID = {"type": "error", "scope": "frame", "code": "invalid_frame", "retryable": False}
SAID = f"{canary.QUESTION} {canary.KOREAN}"
ID = str(uuid4())
# A frame of each kind that is none. Raw, because a JSON library would not write them.
BAD_FRAMES = {
    "not JSON": f"hello {SAID}",
    "nothing": "",
    "half of an object": '{"type": "message", "text": "' + SAID,
    "a list": f'["{SAID}"]',
    "a string": f'"{SAID}"',
    "a number": "42",
    "null": "null",
    "20,000 nested brackets": "[" * 20_000 + "]" * 20_000,
    "20,000 nested objects": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "nesting in a field nobody reads": '{"type":"ping","x":' + "[" * 20_000 + "]" * 20_000 + "}",
    "a number of 5,000 digits": f'{{"type":"resume","turn_id":"{ID}","after":{"9" * 5_000}}}',
    "a negative position": f'{{"type":"resume","turn_id":"{ID}","after":-1}}',
    "NUL in the text": f'{{"type":"message","id":"{ID}","text":"{SAID}\\u0000"}}',
    "a lone surrogate": f'{{"type":"message","id":"{ID}","text":"{SAID}\\ud800"}}',
    "a number for text": f'{{"type":"message","id":"{ID}","text":7}}',
    "no text": f'{{"type":"message","id":"{ID}"}}',
    "an id that is no UUID": f'{{"type":"message","id":"{SAID}","text":"{SAID}"}}',
    "an unknown type": f'{{"type":"{SAID}"}}',
    "no type": f'{{"text":"{SAID}"}}',
    "a frame of the server": f'{{"type":"done","turn_id":"{ID}"}}',
    "a second hello": f'{{"type":"hello","session":"{canary.TOKEN}"}}',
}


@pytest.fixture
async def gateway(
    store: PostgresStore,
    database: Database,
    postgres: EmbeddedServer,
    redis: EmbeddedServer,
    caplog: pytest.LogCaptureFixture,
) -> AsyncIterator[RunningGateway]:
    """A gateway at which nothing crashes, nothing more is stored, and a neighbour's answer goes on."""
    await store.import_reports([REPORT])
    async with (
        running_gateway(database=postgres.url, redis=redis.url, options=RUNNING) as gateway,
        ChatClient.connect(gateway.url, report_id=REPORT.id) as neighbour,
    ):
        await neighbour.say(question())
        await begun(neighbour, [])
        yield gateway
        assert (await neighbour.until_end())[-1]["type"] == "done"
    assert await stored_turns(database) == 1
    assert [
        r.msg for r in caplog.get_records("call") if r.exc_info or r.levelno >= logging.ERROR
    ] == []


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[ChatClient]:
    """A client that has said hello."""
    async with ChatClient.connect(gateway.url, report_id=REPORT.id, locale="en") as client:
        yield client


async def answer_to(client: ChatClient, raw: str) -> Frame:
    """Send a frame as it is and return what comes back, without what differs each time."""
    await client.socket.send_str(raw)
    return without(await client.receive(), "message", "trace_id")


async def is_served(client: ChatClient) -> bool:
    """Return whether the connection is still good for something."""
    await client.send(type="ping", id="still there")
    return await client.receive() == {"type": "pong", "id": "still there"}


@pytest.mark.parametrize("raw", BAD_FRAMES.values(), ids=BAD_FRAMES)
async def test_a_bad_frame(client: ChatClient, raw: str) -> None:
    """What is no frame is answered `invalid_frame`, and the connection stays."""
    assert await answer_to(client, raw) == INVALID
    assert await is_served(client)


async def test_a_binary_frame(client: ChatClient) -> None:
    """A binary frame closes the connection with 1003."""
    await client.socket.send_bytes(b'{"type":"ping"}')
    assert await client.closed() == 1003


async def test_text_that_is_not_utf8(client: ChatClient) -> None:
    """A text frame that is not UTF-8 closes the connection with 1007."""
    await client.socket.send_frame(b'{"type":"ping","id":"\xff\xfe"}', aiohttp.WSMsgType.TEXT)
    assert await client.closed() == 1007


async def test_the_largest_frame(client: ChatClient) -> None:
    """A frame of exactly 64 KiB is taken."""
    assert await answer_to(client, padded(FRAME_BYTES)) == {"type": "pong"}


async def test_a_frame_too_large(client: ChatClient) -> None:
    """A frame of one byte more closes the connection with 1009."""
    await client.socket.send_str(padded(FRAME_BYTES + 1))
    assert await client.closed() == 1009


async def test_a_message_too_large_in_fragments(gateway: RunningGateway) -> None:
    """Sent in fragments, a message over the limit closes the connection with 1009 as well."""
    url = gateway.url.replace("http:", "ws:") + "/ws"
    async with connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)], proxy=None) as socket:
        await socket.send(["x" * (FRAME_BYTES // 2 + 1)] * 2)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def padded(size: int) -> str:
    """Return a ping of `size` bytes, most of them in a field that nobody reads."""
    ping = '{"type":"ping","x":""}'
    return ping.replace('""', f'"{"x" * (size - len(ping))}"')


@pytest.mark.parametrize("text", ["", " ", " \n\t ", "\u3000\u00a0"])
async def test_an_empty_question(client: ChatClient, text: str) -> None:
    """A question without a word is told so and not stored."""
    error = (await client.ask(text, id=ID))[-1]
    assert without(error, "trace_id") == {
        "type": "error",
        "scope": "frame",
        "code": "empty_message",
        "message": "Type a message first.",
        "retryable": False,
        "id": ID,
    }


@pytest.mark.parametrize(
    ("locale", "message"),
    [
        ("ko", "메시지가 너무 깁니다 (최대 8000자)."),
        ("en", "The message is too long (8000 characters at most)."),
    ],
)
async def test_a_question_too_long(gateway: RunningGateway, locale: str, message: str) -> None:
    """A question over the limit is told the limit, in the client's language."""
    async with ChatClient.connect(gateway.url, locale=locale) as client:
        error = (await client.ask("가" * 8001))[-1]
    assert (error["code"], error["message"]) == ("message_too_long", message)


@pytest.mark.parametrize("frame", ["cancel", "resume"])
async def test_an_unknown_turn(client: ChatClient, frame: str) -> None:
    """Cancelling or resuming a turn of nobody is told `unknown_turn`."""
    error = await answer_to(client, json.dumps({"type": frame, "turn_id": ID, "after": 0}))
    assert error == {**INVALID, "code": "unknown_turn"}
    assert await is_served(client)


@pytest.mark.parametrize("frame", ["cancel", "resume"])
async def test_a_turn_of_a_neighbour(client: ChatClient, database: Database, frame: str) -> None:
    """Nobody can cancel or follow a turn of another session: it is unknown to them."""
    turn_id = str((await database.fetch("SELECT id FROM turns"))[0][0])
    error = await answer_to(client, json.dumps({"type": frame, "turn_id": turn_id, "after": 0}))
    assert error == {**INVALID, "code": "unknown_turn"}


async def test_three_bad_frames_in_a_row(client: ChatClient) -> None:
    """The third bad frame in a row closes the connection with 4500."""
    for _ in range(3):
        assert await answer_to(client, "{") == INVALID
    assert await close_code(client) == 4500


async def test_three_hellos_too_many(client: ChatClient) -> None:
    """A hello in the wrong place is a bad frame: the third in a row closes the connection with 4500."""
    for _ in range(3):
        assert await answer_to(client, BAD_FRAMES["a second hello"]) == INVALID
    assert await close_code(client) == 4500


async def test_bad_frames_now_and_then(client: ChatClient) -> None:
    """A good frame between bad ones is forgiving: two, a good one, and two again are fine."""
    for _ in range(2):
        for _ in range(2):
            assert await answer_to(client, "{") == INVALID
        assert await is_served(client)
