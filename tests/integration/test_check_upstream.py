"""`gateway check --upstream`: one token from the model, or in words why there is none."""

from collections.abc import AsyncIterator

import pytest

from gateway.check import ANSWER_SECONDS, Verdict, look
from gateway.config import load
from tests.integration.gateway_process import simulator

NOWHERE = "http://127.0.0.1:1/v1"


@pytest.fixture
async def upstream() -> AsyncIterator[str]:
    """The base URL of a simulator."""
    async with simulator() as (base_url, _):
        yield base_url


async def asked(
    model: str, base_url: str, *, key: str = "sk-test", seconds: float = ANSWER_SECONDS
) -> tuple[Verdict, str]:
    """Return what is found when `model` is asked."""
    environ = {
        "OPENAI_API_KEY": key,
        "OPENAI_BASE_URL": base_url,
        "GATEWAY_OPENAI_MODEL": model,
    }
    found = look(load(environ=environ), upstream=True, answer_seconds=seconds)
    words = {each.thing: (each.verdict, each.words) async for each in found}
    return words["upstream"]


async def test_nobody_is_asked_unless_told_to() -> None:
    """Without being told to, the check costs nothing."""
    async with simulator() as (base_url, seen):
        environ = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": base_url}
        things = [each.thing async for each in look(load(environ=environ))]
        assert "upstream" not in things
        assert seen.total_requests == 0


async def test_one_token_is_asked_for() -> None:
    """The question is one word, the answer one token, and what they cost is told."""
    async with simulator() as (base_url, seen):
        told = await asked("sim-plain", base_url)
        (request,) = seen.requests
    assert told == (Verdict.OK, "sim-plain answers: 8 tokens in, 1 out, $0.0000018")
    assert [text for _, text in request.messages] == ["Hello"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("sim-401", "refuses the key"),
        ("sim-quota", "quota of this key is used up"),
        ("sim-429", "too many requests with this key"),
        ("sim-500", "cannot be reached, or is in trouble"),
        ("sim-refuse", "cannot be reached, or is in trouble"),
        ("sim-400", "refuses the request"),
        ("sim-context", "prompt of one word as too long"),
        ("sim-error-event", "broke off its answer midway"),
        ("sim-eof", "ended its answer without saying why"),
    ],
)
async def test_what_the_upstream_says(upstream: str, model: str, words: str) -> None:
    """Each refusal is told in words."""
    verdict, told = await asked(model, upstream)
    assert verdict is Verdict.MISSING
    assert words in told


async def test_no_upstream() -> None:
    """An upstream that is not there is told."""
    verdict, words = await asked("sim-plain", NOWHERE)
    assert (verdict, words) == (
        Verdict.MISSING,
        "sim-plain cannot be reached, or is in trouble; the line above says how",
    )


async def test_an_upstream_without_usage(upstream: str) -> None:
    """An upstream that sends no usage will do, and that is told."""
    verdict, words = await asked("sim-no-usage", upstream)
    assert verdict is Verdict.OK
    assert words.endswith("what answers cost will be estimated")


async def test_an_upstream_without_a_key(upstream: str) -> None:
    """Without a key nobody is asked."""
    verdict, words = await asked("sim-plain", upstream, key="")
    assert (verdict, words) == (Verdict.MISSING, "not asked: there is no key")


async def test_an_upstream_that_hangs(upstream: str) -> None:
    """An upstream that never answers is given up."""
    assert await asked("sim-hang", upstream, seconds=0.3) == (
        Verdict.MISSING,
        "no answer within 0.3 seconds",
    )
