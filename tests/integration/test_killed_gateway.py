"""A gateway is killed in the middle of an answer (kill -9): question and text are kept."""

import asyncio
import random
from uuid import UUID

import msgspec
import pytest

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.simulator import SimulatorOptions
from tests.chat_client import ChatClient, Frame, text_of
from tests.integration import figures
from tests.integration.gateway_process import GatewayProcess, gateway_process, simulator
from tests.integration.helpers import eventually, question
from tests.integration.money import BY_DAY, BY_SESSION, OPEN_DOOR, connected, sums, until

# Never done before it is killed, and never silent for as long as what may be lost.
LONG = SimulatorOptions(tokens_per_second=40, first_token_seconds=0)
LOSS_SECONDS = 1.5
STORED = "SELECT question, answer, pieces FROM turns WHERE id = %s"


class Lost(msgspec.Struct):
    """A turn whose process was killed: what its reader had, and when each piece had come."""

    session: str
    client_id: str
    asked: str
    frames: list[Frame] = msgspec.field(default_factory=list)
    came: list[float] = msgspec.field(default_factory=list)
    killed: float = 0.0

    @property
    def turn_id(self) -> str:
        """The turn's id."""
        turn_id: str = self.frames[0]["turn_id"]
        return turn_id

    def position(self, before: float) -> int:
        """Return how many pieces had come until `before`."""
        pairs = zip(self.frames, self.came, strict=True)
        return max((f["to"] for f, at in pairs if f["type"] == "delta" and at <= before), default=0)

    def missing(self, stored: int) -> float:
        """Return how long before the kill the first piece had come that is not among so many."""
        pairs = zip(self.frames, self.came, strict=True)
        lacking = (at for f, at in pairs if f["type"] == "delta" and f["to"] > stored)
        return max(0.0, self.killed - min(lacking, default=self.killed))


async def interrupted(client: ChatClient, lost: Lost) -> None:
    """Check what whoever comes back is told of a lost turn: its text so far, and to ask again."""
    (turn,) = client.ready["turns"]
    assert (turn["turn_id"], turn["state"]) == (lost.turn_id, "interrupted")
    assert (turn["end"]["code"], turn["end"]["retryable"]) == ("interrupted", True)
    await client.send(type="resume", turn_id=lost.turn_id, after=0)
    frames = await client.until_end()
    assert (text_of(frames), frames[-1]) == (turn["text"], turn["end"])


async def killed(gateway: GatewayProcess, *, number: int, seconds: float) -> Lost:
    """Ask, read for so long, kill the gateway, and return what was lost."""
    loop = asyncio.get_running_loop()
    async with connected(gateway.url) as (client,):
        client_id = await client.say(question(number))
        lost = Lost(client.ready["session"], client_id, question(number))

        async def read() -> None:
            while True:
                lost.frames.append(await client.receive())
                lost.came.append(loop.time())

        reading = asyncio.create_task(read())
        await until(lambda: lost.position(loop.time()) > 0)
        await asyncio.sleep(seconds)
        lost.killed = loop.time()
        await gateway.kill()
        # What was on its way arrives; then the connection breaks.
        (broken,) = await asyncio.gather(reading, return_exceptions=True)
        assert isinstance(broken, AssertionError)
    return lost


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.stress)])
async def test_killed(
    kills: int, postgres: EmbeddedServer, redis: EmbeddedServer, database: Database
) -> None:
    """No question and no money is lost, at most the last second and a half of text; asking again works."""
    chance, losses = random.Random(kills), list[Lost]()
    async with simulator(LONG) as (base_url, _):
        for number in range(kills):
            async with gateway_process(
                database=postgres.url,
                base_url=base_url,
                redis_url=redis.url,
                openai_model="sim-ignore-max-tokens",
                **OPEN_DOOR,
            ) as doomed:
                seconds = chance.uniform(1, 2.5)
                losses.append(await killed(doomed, number=number, seconds=seconds))
    async with (
        simulator() as (base_url, seen),
        gateway_process(database=postgres.url, base_url=base_url, redis_url=redis.url) as heir,
    ):

        async def is_settled() -> bool:
            by = [await sums(database, sql=sql) for sql in (BY_DAY, BY_SESSION)]
            return all((now.reserved, now.running) == (0, 0) for now in by)

        await eventually(is_settled)
        missing = []
        for lost in losses:
            asked, answer, pieces = (await database.fetch(STORED, (UUID(lost.turn_id),)))[0]
            assert asked == lost.asked
            assert text_of(lost.frames).startswith(answer) or answer.startswith(
                text_of(lost.frames)
            )
            assert pieces >= lost.position(lost.killed - LOSS_SECONDS)
            missing.append(lost.missing(pieces))
            async with connected(heir.url, session=lost.session) as (client,):
                await interrupted(client, lost)
                assert (await client.ask("Again?"))[-1]["finish_reason"] == "stop"
        assert seen.total_requests == kills
    figures.record(
        f"kill -9 of the gateway, {kills} times",
        f"{kills} questions kept, at most the last {max(missing):.2f} s of text missing",
    )
