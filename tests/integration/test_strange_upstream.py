"""An upstream that answers nonsense: the turn ends as documented, and the next question is answered."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from tests import canary
from tests.chat_client import ChatClient
from tests.integration.helpers import question, stored_turns
from tests.raw_upstream import (
    DONE,
    HEAD,
    Do,
    Script,
    answer,
    chunks,
    content,
    event,
    finish,
    playing,
    refusal,
    usage,
)
from tests.running_gateway import running_gateway

pytestmark = pytest.mark.usefixtures("database")

FINE: Script = (answer(content("Fine."), finish(), usage(), DONE),)
SAYS = content(f"{canary.UPSTREAM} says ")
NESTED = b'data: {"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}\n\n"
STATUS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def billed(**tokens: object) -> Script:
    """Return an answer whose bill is strange."""
    return (answer(SAYS, finish(), event({"choices": [], "usage": tokens}), DONE),)


STRANGE: dict[str, tuple[Script, str]] = {
    "no HTTP": ((b"hello\r\n\r\n", Do.CLOSE), "upstream_unavailable"),
    "a header that is none": ((STATUS + b"bad\r\n\r\n", Do.CLOSE), "upstream_unavailable"),
    "a header too long": (
        (STATUS + b"X-A: " + b"a" * 20_000 + b"\r\n" + CHUNKED,),
        "upstream_unavailable",
    ),
    "a chunk that is none": ((STATUS + CHUNKED + b"zz\r\nxx\r\n",), "upstream_unavailable"),
    "compression that is none": (
        (STATUS + b"Content-Encoding: gzip\r\n" + CHUNKED + chunks(SAYS),),
        "upstream_unavailable",
    ),
    "an end too early": ((HEAD + chunks(SAYS) + b"ff\r\nabc", Do.CLOSE), "upstream_truncated"),
    "endless redirects": (
        (b"HTTP/1.1 302 Found\r\nLocation: /v1/chat/completions\r\nContent-Length: 0\r\n\r\n",),
        "upstream_rejected",
    ),
    "no content": ((b"HTTP/1.1 204 No Content\r\n\r\n",), "upstream_truncated"),
    "nesting first": ((answer(NESTED),), "upstream_unavailable"),
    "nesting in the stream": ((answer(SAYS, NESTED),), "upstream_truncated"),
    "no choice": ((answer(event({"choices": None})),), "upstream_truncated"),
    "an error page nested": (
        (
            b"HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Length: 50000\r\n\r\n",
            b"[" * 50_000,
        ),
        "upstream_rejected",
    ),
    "Retry-After of a date without zone": (
        (refusal(429, None, b"Retry-After: Wed, 21 Oct 2015 07:28:00"),),
        "upstream_rate_limited",
    ),
    "Retry-After of infinity": (
        (refusal(429, None, b"Retry-After: inf"),),
        "upstream_rate_limited",
    ),
    "Retry-After of ages": ((refusal(429, None, b"Retry-After: 1e30"),), "upstream_rate_limited"),
}
BILLS = {
    "negative": billed(prompt_tokens=-5, completion_tokens=-1),
    "past a 32-bit integer": billed(prompt_tokens=12, completion_tokens=2**40),
    "past a 64-bit integer": billed(prompt_tokens=10**30, completion_tokens=1),
    "more cached than sent": billed(
        prompt_tokens=12, completion_tokens=1, prompt_tokens_details={"cached_tokens": 10_000}
    ),
    "nothing": billed(prompt_tokens=0, completion_tokens=0),
}


@pytest.fixture(autouse=True)
def retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for the retry."""
    monkeypatch.setattr("gateway.chat.reading.RETRY_SECONDS", 0.0)


@asynccontextmanager
async def talking_to(postgres: EmbeddedServer, *scripts: Script) -> AsyncIterator[ChatClient]:
    """Talk to a gateway whose upstream plays `scripts`, the last one for ever."""
    async with (
        playing(*scripts) as upstream,
        running_gateway(database=postgres.url, openai_base_url=upstream.base_url) as gateway,
        ChatClient.connect(gateway.url) as client,
    ):
        yield client


@pytest.mark.parametrize(("script", "code"), STRANGE.values(), ids=STRANGE)
async def test_nonsense(
    postgres: EmbeddedServer, caplog: pytest.LogCaptureFixture, script: Script, code: str
) -> None:
    """Nonsense has the code of what it amounts to, and is no crash of ours."""
    async with talking_to(postgres, script) as client:
        end = (await client.ask(question()))[-1]
    assert end["code"] == code
    assert [r.msg for r in caplog.records if r.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(("script", "code"), STRANGE.values(), ids=STRANGE)
async def test_nonsense_again(postgres: EmbeddedServer, script: Script, code: str) -> None:
    """After nonsense the next question is asked like any other: nothing is stuck."""
    async with talking_to(postgres, script) as client:
        codes = [(await client.ask(question(n)))[-1]["code"] for n in (1, 2)]
    assert codes == [code, code]


@pytest.mark.parametrize("script", BILLS.values(), ids=BILLS)
async def test_a_strange_bill(postgres: EmbeddedServer, database: Database, script: Script) -> None:
    """An answer with a bill that cannot be is stored, and costs no less than nothing."""
    async with talking_to(postgres, script, FINE) as client:
        end = (await client.ask(question()))[-1]
    rows = await database.fetch("SELECT state, cost_nano >= 0 FROM turns")
    assert (end["type"], rows) == ("done", [("answered", True)])


@pytest.mark.parametrize("script", BILLS.values(), ids=BILLS)
async def test_the_question_after_a_strange_bill(
    postgres: EmbeddedServer, database: Database, script: Script
) -> None:
    """After an answer with a bill that cannot be, the next question is answered."""
    async with talking_to(postgres, script, FINE) as client:
        await client.ask(question())
        assert (await client.ask(question(2)))[-1]["type"] == "done"
    assert await stored_turns(database) == 2
