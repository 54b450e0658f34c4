"""Without an API key the gateway runs and says so; nothing is ever called."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.dev.embedded_server import EmbeddedServer
from tests.chat_client import ChatClient, types_of
from tests.integration.helpers import question, without
from tests.running_gateway import RunningGateway, running_gateway

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
async def gateway(postgres: EmbeddedServer) -> AsyncIterator[RunningGateway]:
    """A gateway that was given no key."""
    async with running_gateway(database=postgres.url, key="") as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[ChatClient]:
    """A client that has said hello."""
    async with ChatClient.connect(gateway.url, locale="en") as client:
        yield client


async def test_it_starts(gateway: RunningGateway) -> None:
    """The gateway answers its health check."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{gateway.url}/health") as response,
    ):
        assert response.status == 200


async def test_the_page_is_told(client: ChatClient) -> None:
    """`ready` says that no key is configured, so that the page can say it before anybody asks."""
    assert client.ready["key_configured"] is False


async def test_a_question(client: ChatClient) -> None:
    """A question ends, before anything else is said of it, with `key_missing`, not retryable."""
    frames = await client.ask(question())
    assert types_of(frames) == ["error"]
    assert {name: frames[0][name] for name in ("scope", "code", "retryable", "message")} == {
        "scope": "turn",
        "code": "key_missing",
        "retryable": False,
        "message": "No OpenAI API key is configured. Ask the administrator.",
    }


async def test_nothing_is_called(gateway: RunningGateway, client: ChatClient) -> None:
    """The upstream hears nothing of a question."""
    await client.ask(question())
    assert gateway.upstream.total_requests == 0


async def test_nothing_is_spent(client: ChatClient) -> None:
    """The question costs nothing."""
    assert (await client.ask(question()))[0]["cost_usd"] == "0.00"


async def test_the_question_is_kept(gateway: RunningGateway, client: ChatClient) -> None:
    """The question is stored with its end, and shown to whoever comes back."""
    error = (await client.ask(question()))[0]
    async with ChatClient.connect(
        gateway.url, session=client.ready["session"], locale="en"
    ) as again:
        (turn,) = again.ready["turns"]
    assert (turn["question"], turn["state"]) == (question(), "failed")
    assert without(turn["end"], "usage") == without(error, "usage")
