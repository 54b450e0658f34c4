"""A cap that bites while the answer streams: the upstream is closed, the reader told, no more is paid."""

import pytest

from gateway.backends.postgres import Database
from gateway.dev.embedded_server import EmbeddedServer
from gateway.dev.simulator import SimulatorOptions
from tests.chat_client import text_of
from tests.integration.helpers import stored
from tests.integration.money import PROMISED_SECONDS, connected, nano_of, until
from tests.promises import promised
from tests.raw_upstream import (
    DONE,
    HEAD,
    Do,
    answer,
    chunks,
    content,
    event,
    finish,
    playing,
    usage,
)
from tests.running_gateway import running_gateway

SAID = {
    "ko": "비용 상한 초과: 이 요청의 비용 한도에 도달했습니다.",
    "en": "Cost cap reached for this request.",
}
# For the prompt and some eighty tokens.
TINY = "0.00007"
FINE = answer(content("Revenue rose."), finish(), usage(), DONE)
PACED = SimulatorOptions(tokens_per_second=400, first_token_seconds=0)


@pytest.mark.timed
@pytest.mark.parametrize("locale", SAID)
async def test_upstream_that_ignores_its_limit(
    locale: str, postgres: EmbeddedServer, database: Database
) -> None:
    """An upstream that goes on is closed within a second, and costs no more than the cap."""
    async with (
        running_gateway(
            database=postgres.url,
            options=PACED,
            openai_model="sim-ignore-max-tokens",
            cost_request_usd=TINY,
        ) as gateway,
        connected(gateway.url, locale=locale) as clients,
    ):
        frames = await clients[0].ask("Why?")
        (seen,) = gateway.upstream.requests
        await until(lambda: seen.closed_early, seconds=promised(PROMISED_SECONDS))
    end = frames[-1]
    assert [end["code"], end["message"]] == ["cost_cap_reached", SAID[locale]]
    assert 0 < nano_of(end["cost_usd"]) <= nano_of(TINY)
    assert [end["cost_source"], end["partial"]] == ["estimated", True]
    assert await stored(database, end["turn_id"]) == ("failed", text_of(frames))
    assert text_of(frames)


@pytest.mark.parametrize("locale", SAID)
async def test_refused_before_the_call(
    locale: str, postgres: EmbeddedServer, database: Database
) -> None:
    """A cap too small for any answer refuses the question, and nobody is called."""
    async with (
        running_gateway(database=postgres.url, cost_request_usd="0.00001") as gateway,
        connected(gateway.url, locale=locale) as clients,
    ):
        (end,) = await clients[0].ask("Why?")
    assert [end["code"], end["message"]] == ["cost_cap_reached", SAID[locale]]
    assert [end["cost_usd"], end["partial"]] == ["0.00", False]
    assert gateway.upstream.total_requests == 0


async def test_length_by_the_cap(postgres: EmbeddedServer, database: Database) -> None:
    """An upstream that keeps to a limit made by the cap ends with the cap, not with `length`."""
    async with (
        running_gateway(
            database=postgres.url, openai_model="sim-long", cost_request_usd=TINY
        ) as gateway,
        connected(gateway.url) as clients,
    ):
        frames = await clients[0].ask("Why?")
    assert [frames[0]["shortened"], frames[-1]["code"]] == [True, "cost_cap_reached"]
    assert [frames[-1]["cost_source"], frames[-1]["partial"]] == ["reported", True]
    assert nano_of(frames[-1]["cost_usd"]) <= nano_of(TINY)


async def test_length_by_the_model(postgres: EmbeddedServer, database: Database) -> None:
    """A limit that is the operator's and not the cap's ends with `length`."""
    async with (
        running_gateway(
            database=postgres.url, openai_model="sim-long", openai_max_output_tokens="64"
        ) as gateway,
        connected(gateway.url) as clients,
    ):
        frames = await clients[0].ask("Why?")
    assert [frames[-1]["type"], frames[-1]["finish_reason"]] == ["done", "length"]
    assert not frames[-1]["shortened"]


ABSURD = {
    "more than was asked for": {"prompt_tokens": 10**6, "completion_tokens": 10**6},
    "more cached than sent": {
        "prompt_tokens": 10,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 10**5},
    },
    "more than a column holds": {"prompt_tokens": 12, "completion_tokens": 2**40},
    "more than any integer": {"prompt_tokens": 12, "completion_tokens": 2**62},
    "less than nothing": {"prompt_tokens": -(10**6), "completion_tokens": 3},
}


@pytest.mark.parametrize("report", ABSURD)
async def test_absurd_usage(report: str, postgres: EmbeddedServer, database: Database) -> None:
    """Whatever an upstream reports, the turn is saved at once and costs something up to its cap."""
    script = answer(
        content("Revenue rose."), finish(), event({"choices": [], "usage": ABSURD[report]}), DONE
    )
    async with (
        playing((script,)) as upstream,
        running_gateway(
            database=postgres.url, openai_base_url=upstream.base_url, cost_request_usd="0.001"
        ) as gateway,
        connected(gateway.url) as clients,
    ):
        end = (await clients[0].ask("Why?"))[-1]
        rows = await database.fetch("SELECT state, cost_nano, reserved_nano FROM turns")
    (state, cost, reserved), *_ = rows
    assert [end["type"], state] == ["done", "answered"]
    assert 0 < cost <= reserved <= 1_000_000
    assert nano_of(end["cost_usd"]) == cost


async def test_accepted_request_is_asked_once(postgres: EmbeddedServer, database: Database) -> None:
    """A request that was accepted is billed, so another one would cost more than was set aside."""
    async with (
        playing((HEAD + chunks(content("")), Do.RESET), (FINE,)) as upstream,
        running_gateway(database=postgres.url, openai_base_url=upstream.base_url) as gateway,
        connected(gateway.url) as clients,
    ):
        end = (await clients[0].ask("Why?"))[-1]
    assert len(upstream.requests) == 1
    assert [end["code"], end["cost_source"]] == ["upstream_unavailable", "estimated"]
    assert nano_of(end["cost_usd"]) > 0


async def test_prompt_is_paid_without_an_answer(
    postgres: EmbeddedServer, database: Database
) -> None:
    """A request that was accepted costs its prompt though no word came; that is an estimate."""
    async with (
        playing((HEAD, Do.HOLD)) as upstream,
        running_gateway(
            database=postgres.url,
            openai_base_url=upstream.base_url,
            limits_first_chunk_seconds="0.3",
        ) as gateway,
        connected(gateway.url) as clients,
    ):
        frames = await clients[0].ask("Why?")
    end, prompt = frames[-1], frames[0]["context"]["input_tokens"]
    assert [end["code"], end["cost_source"]] == ["first_chunk_timeout", "estimated"]
    assert end["usage"]["input_tokens"] == prompt > 0
