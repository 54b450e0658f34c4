"""Two tabs on one conversation: both end with the same text and the same `done`."""

import asyncio

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from tests.chat_client import ChatClient, Frame, text_of
from tests.http_client import HttpClient, frames_of
from tests.integration.helpers import STROLLING, begun, question, stored
from tests.integration.money import connected
from tests.running_gateway import running_gateway

# Slower than an answer comes.
PAUSE_SECONDS = 0.05


async def reluctantly(client: ChatClient) -> list[Frame]:
    """Read to the end of a turn, waiting after each frame."""
    frames: list[Frame] = []
    while not frames or frames[-1]["type"] not in ("done", "error"):
        frames.append(await client.receive())
        await asyncio.sleep(PAUSE_SECONDS)
    return frames


async def test_late_and_slow(postgres: EmbeddedServer, database: Database) -> None:
    """One joined in the middle, one reads slowly: both show what the asking tab shows."""
    async with (
        running_gateway(database=postgres.url, options=STROLLING) as gateway,
        connected(gateway.url) as (asking,),
    ):
        token = asking.ready["session"]
        async with connected(gateway.url, session=token) as (slow,):
            await asking.say(question())
            reading = asyncio.create_task(reluctantly(slow))
            mine = await begun(asking, [], deltas=5)
            async with connected(gateway.url, session=token) as (late,):
                turn_id = late.ready["active_turn"]["turn_id"]
                await late.send(type="resume", turn_id=turn_id, after=0)
                theirs = await late.until_end()
            mine += await asking.until_end()
            slowly = await reading
    assert text_of(mine) == text_of(theirs) == text_of(slowly)
    assert mine[-1] == theirs[-1] == slowly[-1]
    assert await stored(database, turn_id) == ("answered", text_of(mine))


async def test_a_socket_and_a_stream(postgres: EmbeddedServer, database: Database) -> None:
    """Who reads events over HTTP sees the turn that was asked over a WebSocket, to the same end."""
    async with (
        running_gateway(database=postgres.url, options=STROLLING) as gateway,
        connected(gateway.url) as (asking,),
        HttpClient.connect(gateway.url, session=asking.ready["session"]) as http,
    ):
        await asking.say(question())
        mine = await begun(asking, [], deltas=3)
        theirs = await frames_of(http.follow(mine[0]["turn_id"]))
        mine += await asking.until_end()
    assert (text_of(theirs), theirs[-1]) == (text_of(mine), mine[-1])


async def test_a_slow_tab_gets_bigger_pieces(postgres: EmbeddedServer, database: Database) -> None:
    """A tab that cannot keep up is sent fewer, bigger pieces, and not a later end."""
    async with (
        running_gateway(
            database=postgres.url, options=STROLLING, openai_model="sim-ignore-max-tokens"
        ) as gateway,
        connected(gateway.url, gateway.url) as (asking, _),
        HttpClient.connect(gateway.url, session=asking.ready["session"]) as http,
    ):
        await asking.say(question())
        mine = await begun(asking, [], deltas=40)
        theirs = http.follow(mine[0]["turn_id"])
        first = (await anext(theirs)).frame
        # What had come before is one piece.
        assert first["to"] - first["from"] > 10
        await asking.send(type="cancel", turn_id=mine[0]["turn_id"])
        mine += await asking.until_end()
        rest = await frames_of(theirs)
    assert text_of([first, *rest]) == text_of(mine)
