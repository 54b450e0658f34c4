"""`gateway check` against real servers: a line for each thing, good and bad, and nothing secret in any."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from gateway.backends.postgres import Database
from gateway.chat.errors import ConfigError
from gateway.check import Finding, Verdict, look
from gateway.config import load
from gateway.dev.embedded_server import EmbeddedServer
from tests import canary
from tests.integration.gateway_process import simulator
from tests.integration.helpers import down, empty_database, hung

ANSWERS = "answers: 8 tokens in, 1 out, $0.0000018"
NOWHERE = "127.0.0.1:1"


@pytest.fixture
async def upstream() -> AsyncIterator[str]:
    """The base URL of a simulator."""
    async with simulator() as (base_url, _):
        yield base_url


async def findings(
    environ: Mapping[str, str],
    *,
    file: Path | None = None,
    upstream: bool = False,
) -> dict[str, Finding]:
    """Return what is found under settings that are named as in the environment, by thing."""
    seen = look(load(file, environ=environ), config=file, upstream=upstream)
    return {finding.thing: finding async for finding in seen}


async def finding(thing: str, **environ: str) -> tuple[Verdict, str]:
    """Return how it stands with one thing."""
    found = (await findings(environ))[thing]
    return found.verdict, found.words


def _named(postgres: EmbeddedServer, name: str) -> str:
    return postgres.url.replace("/postgres?", f"/{name}?")


async def test_everything_is_there(
    database: Database, postgres: EmbeddedServer, redis: EmbeddedServer, upstream: str
) -> None:
    """With everything there, every line is good, in the order in which a start needs the things."""
    settings = {
        "DATABASE_URL": postgres.url,
        "REDIS_URL": redis.url,
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": upstream,
        "GATEWAY_OPENAI_MODEL": "sim-plain",
        "GATEWAY_OPENAI_FALLBACK_MODEL": "sim-other",
    }
    found = await findings(settings, upstream=True)
    assert {f.verdict for f in found.values()} == {Verdict.OK}
    assert {thing: f.words for thing, f in found.items() if thing != "configuration"} == {
        "database": "reachable, no migration missing",
        "database log": "holds no statements",
        "Redis": "reachable",
        "tokenizer": "o200k_base",
        "model": "sim-plain, $0.15 in and $0.60 out for a million tokens",
        "fallback model": "sim-other, $0.15 in and $0.60 out for a million tokens",
        "origins": "a page may talk to the host it came from",
        "proxies": "127.0.0.1/32 may say whose connection it is",
        "key": "set",
        "upstream": f"sim-plain {ANSWERS}",
        "its fallback": f"sim-other {ANSWERS}",
    }


async def test_the_configuration(tmp_path: Path) -> None:
    """What is not at its default is named with where it came from."""
    file = tmp_path / "mine.ini"
    file.write_text("[cost]\nday_usd = 5\n")
    found = await findings({}, file=file)
    assert found["configuration"].words == f"[cost] day_usd from {file}"


async def test_no_database() -> None:
    """Without a database the gateway does not start."""
    verdict, words = await finding("database")
    assert verdict is Verdict.MISCONFIGURED
    assert words == "[database] url is not set (or DATABASE_URL)"


async def test_nothing_listens() -> None:
    """Where nothing listens that is said."""
    assert await finding("database", DATABASE_URL=f"postgresql://u@{NOWHERE}/d") == (
        Verdict.MISSING,
        "nothing listens there, or its name is unknown",
    )


async def test_the_database_does_not_let_us_in(postgres: EmbeddedServer) -> None:
    """A Postgres that is there and refuses is told from one that is not there."""
    verdict, words = await finding("database", DATABASE_URL=_named(postgres, "no_such"))
    assert verdict is Verdict.MISSING
    assert words.startswith("it does not let us in: a wrong user, password or name")


async def test_the_database_hangs(postgres: EmbeddedServer) -> None:
    """A Postgres that answers nothing is given up."""
    with hung(postgres):
        verdict, words = await finding("database", DATABASE_URL=postgres.url)
    assert verdict is Verdict.MISSING
    assert "or it hangs" in words


async def test_migrations_are_missing(postgres: EmbeddedServer) -> None:
    """Migrations that are missing are named, with the command that applies them."""
    async with empty_database(postgres) as url:
        verdict, words = await finding("database", DATABASE_URL=url)
    assert verdict is Verdict.MISSING
    assert words.startswith("0001_")
    assert words.endswith("missing: run `gateway migrate`")


@pytest.mark.parametrize(
    ("options", "change", "words"),
    [
        ("ENCODING 'SQL_ASCII' TEMPLATE template0", "", "its encoding is SQL_ASCII"),
        ("", "ALTER DATABASE {name} SET default_transaction_read_only = on", "it takes no writes"),
        ("", "ALTER DATABASE {name} SET search_path = nowhere", "this user may not make tables"),
    ],
)
async def test_the_database_will_not_do(
    postgres: EmbeddedServer, options: str, change: str, words: str
) -> None:
    """A database that has no Korean, takes no writes or lets us make no tables is told as such."""
    async with empty_database(postgres, options, change) as url:
        verdict, told = await finding("database", DATABASE_URL=url)
    assert verdict is Verdict.MISSING
    assert words in told


async def test_the_database_logs_what_people_write(postgres: EmbeddedServer) -> None:
    """A Postgres that writes statements that fail into its log is named, with the setting that makes it."""
    change = "ALTER DATABASE {name} SET log_min_error_statement = error"
    async with empty_database(postgres, change=change) as url:
        verdict, words = await finding("database log", DATABASE_URL=url)
    assert verdict is Verdict.MISSING
    assert words == (
        "may hold what people wrote: log_min_error_statement = error;"
        " docs/operations.md says what to set"
    )


async def test_no_redis() -> None:
    """No Redis is fine."""
    assert await finding("Redis") == (Verdict.OK, "none: works from Postgres alone")


async def test_redis_is_down(redis: EmbeddedServer) -> None:
    """A Redis that is configured and not there is told."""
    async with down(redis):
        verdict, words = await finding("Redis", REDIS_URL=redis.url)
    assert verdict is Verdict.MISSING
    assert words.startswith("no answer within 0.3 seconds")


async def test_a_redis_url_that_is_none() -> None:
    """With a Redis URL that is none the gateway does not start; the URL is not repeated."""
    verdict, words = await finding("Redis", REDIS_URL=f"http://:{canary.TOKEN}@{NOWHERE}")
    assert verdict is Verdict.MISCONFIGURED
    assert words == "[redis] url: expected redis://, rediss:// or unix://"


async def test_an_encoding_that_is_not_shipped(tmp_path: Path) -> None:
    """An encoding whose file is not there stops the start."""
    file = tmp_path / "g.ini"
    file.write_text(
        "[openai]\nmodel = m\n"
        "[model m]\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 2\nencoding = p50k_base\n"
    )
    found = (await findings({}, file=file))["tokenizer"]
    assert found.verdict is Verdict.MISCONFIGURED
    assert found.words.startswith("encoding 'p50k_base' is not shipped")


@pytest.mark.parametrize(
    ("key", "thing"), [("model", "model"), ("fallback_model", "fallback model")]
)
async def test_a_model_without_a_price(key: str, thing: str) -> None:
    """A model without a price stops the start."""
    verdict, words = await finding(thing, **{f"GATEWAY_OPENAI_{key.upper()}": "mine"})
    assert verdict is Verdict.MISCONFIGURED
    assert words.startswith(f"[openai] {key}: no price for 'mine'")


async def test_a_fallback_that_counts_otherwise() -> None:
    """A fallback with another encoding stops the start."""
    verdict, words = await finding("fallback model", GATEWAY_OPENAI_FALLBACK_MODEL="gpt-4")
    assert verdict is Verdict.MISCONFIGURED
    assert "another encoding" in words


async def test_origins() -> None:
    """Origins are listed as they are compared."""
    listed = "https://a.example,http://b.example:8080"
    assert await finding("origins", GATEWAY_SERVER_ALLOWED_ORIGINS=listed) == (
        Verdict.OK,
        "https://a.example, http://b.example:8080",
    )


@pytest.mark.parametrize("origin", ["https://a.example/", "a.example", "https://a.example/chat"])
async def test_an_origin_that_no_browser_sends(origin: str) -> None:
    """An origin that can never match is found before the first visitor finds it."""
    verdict, words = await finding("origins", GATEWAY_SERVER_ALLOWED_ORIGINS=origin)
    assert verdict is Verdict.MISSING
    assert repr(origin) in words


async def test_proxies() -> None:
    """The proxies that are believed are listed; there may be none."""
    assert await finding("proxies", GATEWAY_SERVER_TRUSTED_PROXIES="10.0.0.0/8, ::1") == (
        Verdict.OK,
        "10.0.0.0/8, ::1/128 may say whose connection it is",
    )
    assert await finding("proxies", GATEWAY_SERVER_TRUSTED_PROXIES="") == (Verdict.OK, "none")


async def test_everybody_is_a_proxy() -> None:
    """Where every visitor is believed to be a proxy, the limits of an address limit nobody."""
    verdict, words = await finding("proxies", GATEWAY_SERVER_TRUSTED_PROXIES="0.0.0.0/0")
    assert verdict is Verdict.MISSING
    assert "everybody says whose connection it is" in words


async def test_no_key() -> None:
    """Without a key the gateway starts, and answers nothing."""
    verdict, words = await finding("key")
    assert verdict is Verdict.MISSING
    assert words.startswith("OPENAI_API_KEY is not set")


async def test_what_is_wrong_with_the_configuration() -> None:
    """A configuration that cannot be read is no finding: it stops every command with one line."""
    with pytest.raises(ConfigError):
        await findings({"GATEWAY_COST_DAY_USD": "much"})


async def command(*arguments: str, **environ: str) -> tuple[int | None, str]:
    """Run `gateway check` and return its exit status and all it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "check", *arguments),
        env={"PATH": os.environ["PATH"], **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_the_command(database: Database, postgres: EmbeddedServer, upstream: str) -> None:
    """It ends with 0 when everything is there."""
    status, output = await command(
        "--upstream", DATABASE_URL=postgres.url, OPENAI_API_KEY=canary.KEY, OPENAI_BASE_URL=upstream
    )
    assert status == 0
    assert [line[:2] for line in output.splitlines()] == ["ok"] * 11
    assert canary.hits(output) == []


async def test_the_command_finds_something_missing(
    database: Database, postgres: EmbeddedServer
) -> None:
    """It ends with 1 when something is missing, and writes no secret."""
    status, output = await command(
        "--upstream",
        DATABASE_URL=postgres.url,
        REDIS_URL=f"redis://:{canary.TOKEN}@{NOWHERE}/0",
        OPENAI_API_KEY=canary.KEY,
        OPENAI_BASE_URL=f"http://{NOWHERE}/{canary.UPSTREAM}",
    )
    assert status == 1
    assert canary.hits(output) == []


async def test_the_command_finds_something_wrong() -> None:
    """It ends with 78 when the gateway would not start."""
    status, output = await command(
        DATABASE_URL=f"postgresql://u:{canary.TOKEN}@h/d?nonsense=1", OPENAI_API_KEY=canary.KEY
    )
    assert status == 78
    assert canary.hits(output) == []
