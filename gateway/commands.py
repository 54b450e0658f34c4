"""What each `gateway` command does."""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from gateway.app import create_app
from gateway.backends.ledger import spending_by_day, spending_by_session
from gateway.backends.migrations import migrate as apply_migrations
from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.backends.tokens import Tokenizer
from gateway.chat.errors import ConfigError
from gateway.chat.pricing import usd
from gateway.chat.records import ReportSnapshot
from gateway.chat.schema import frames_schema_text
from gateway.check import Verdict, look
from gateway.config import supervision
from gateway.dev.embedded import embedded_postgres, embedded_redis
from gateway.dev.simulator import SimulatorOptions, create_simulator
from gateway.notify import Notice, Supervisor
from gateway.resources import migrations_folder
from gateway.selftest import measure
from gateway.serve import listening, stop_signal
from gateway.settings import Settings
from gateway.web.ops import create_ops_app

SAMPLE_REPORTS = Path(__file__).parent / "dev" / "sample_reports.json"


async def serve(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Serve until a signal says stop."""
    _require_database(settings)
    if not settings.openai.api_key:
        print("No OPENAI_API_KEY: every question will be answered with a notice.", flush=True)
    app = create_app(settings)
    server = settings.server
    expected = supervision(os.environ, pid=os.getpid())
    supervisor = Supervisor(expected.address)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(supervisor.watching(seconds=expected.watchdog_seconds))
        if server.ops_port:
            # Entered first, so that it says "draining" until the very end.
            ops = create_ops_app(app)
            await stack.enter_async_context(
                listening(ops, host=server.ops_host, port=server.ops_port)
            )
        await stack.enter_async_context(
            listening(
                app,
                host=server.host,
                port=server.port,
                reuse_port=server.reuse_port,
                drain_seconds=server.drain_seconds,
            )
        )
        with stop_signal() as stop:
            supervisor.tell(Notice.READY)
            await stop.wait()
        supervisor.tell(Notice.STOPPING)
    return 0


async def dev(settings: Settings, arguments: argparse.Namespace) -> int:
    """Serve on embedded servers with sample reports, and a simulated upstream where there is no key."""
    async with AsyncExitStack() as stack:
        data: Path = arguments.data
        database = await stack.enter_async_context(embedded_postgres(data / "postgres"))
        try:
            redis = await stack.enter_async_context(embedded_redis(data / "redis"))
        except ConfigError as error:
            # Its wheel is not made for every machine, and the gateway needs none.
            print(f"Without Redis: {error}", flush=True)
            redis = ""
        settings = _with(settings, "database", url=database)
        settings = _with(settings, "redis", url=redis)
        await _prepare(settings)
        simulated = not settings.openai.api_key
        if simulated:
            tokenizer = await asyncio.to_thread(Tokenizer)
            simulator = create_simulator(tokenizer)
            port = await stack.enter_async_context(listening(simulator, host="127.0.0.1", port=0))
            settings = _with(
                settings, "openai", api_key="simulator", base_url=f"http://127.0.0.1:{port}/v1"
            )
        app = create_app(settings, simulated=simulated)
        server, operators = settings.server, []
        if server.ops_port:
            ops = create_ops_app(app)
            await stack.enter_async_context(
                listening(ops, host=server.ops_host, port=server.ops_port)
            )
            operators = [f"For operators: {_url(server.ops_host, server.ops_port)}"]
        port = await stack.enter_async_context(listening(app, host=server.host, port=server.port))
        upstream: str = "the simulator" if simulated else settings.openai.base_url
        hints = list[str]()
        if simulated:
            hints = ["For a real model: OPENAI_API_KEY=sk-... before the command."]
        with stop_signal() as stop:
            print(
                f"Report Chat Gateway: {_url(server.host, port)} (answers from {upstream})",
                *operators,
                f"What is asked is kept in {data}. Ctrl-C ends everything.",
                *hints,
                sep="\n",
                flush=True,
            )
            await stop.wait()
    return 0


async def migrate(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Apply the migrations that are missing."""
    async with _database(settings) as database:
        for name in await apply_migrations(database, folder=migrations_folder()):
            print(f"applied {name}")
    return 0


async def import_reports(settings: Settings, arguments: argparse.Namespace) -> int:
    """Add the reports of a JSON file, or replace those with the same id."""
    reports = read_reports(arguments.file)
    async with _database(settings) as database:
        print(f"imported {await PostgresStore(database).import_reports(reports)}")
    return 0


async def list_reports(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Print id and headline of every report."""
    async with _database(settings) as database:
        for report in await PostgresStore(database).reports():
            print(f"{report.id}\t{report.headline}")
    return 0


async def spend(settings: Settings, arguments: argparse.Namespace) -> int:
    """Print what days, or sessions, have spent and have set aside, in dollars."""
    async with _database(settings) as database:
        rows = await (spending_by_session if arguments.session else spending_by_day)(database)
    print(f"{'session' if arguments.session else 'day':36}  {'spent':>14}  {'set aside':>14}")
    for row in rows:
        print(f"{row.name:36}  {usd(row.spent_nano):>14}  {usd(row.reserved_nano):>14}")
    return 0


async def simulate(_settings: Settings, arguments: argparse.Namespace) -> int:
    """Serve the simulator until a signal says stop."""
    options = SimulatorOptions(tokens_per_second=arguments.tokens_per_second)
    app = create_simulator(await asyncio.to_thread(Tokenizer), options=options)
    async with listening(app, host="127.0.0.1", port=arguments.simulator_port) as port:
        with stop_signal() as stop:
            print(f"OPENAI_BASE_URL=http://127.0.0.1:{port}/v1", flush=True)
            await stop.wait()
    return 0


async def schema(_settings: Settings, _arguments: argparse.Namespace) -> int:
    """Print the JSON Schema of the frames."""
    print(frames_schema_text(), end="")
    return 0


async def check(settings: Settings, arguments: argparse.Namespace) -> int:
    """Print a line for each thing the gateway needs; exit status 1 if one is missing, 78 if one is wrong."""
    worst = Verdict.OK
    async for finding in look(settings, config=arguments.config, upstream=arguments.upstream):
        worst = max(worst, finding.verdict)
        print(finding, flush=True)
    return worst


async def selftest(_settings: Settings, arguments: argparse.Namespace) -> int:
    """Print how a gateway is reached from here, and what to change; exit status 1 if there is something."""
    report = await measure(arguments.url)
    print(report)
    return 0 if report.fine else 1


async def _prepare(settings: Settings) -> None:
    samples = read_reports(SAMPLE_REPORTS)
    async with _database(settings) as database:
        await apply_migrations(database, folder=migrations_folder())
        await PostgresStore(database).import_reports(samples)


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    _require_database(settings)
    database = Database(settings.database.url, pool_size=1)
    try:
        yield database
    finally:
        await database.close()


def _require_database(settings: Settings) -> None:
    if not settings.database.url:
        raise ConfigError("[database] url: missing (or DATABASE_URL); `gateway dev` brings its own")


def read_reports(file: Path) -> list[ReportSnapshot]:
    """Return the reports of a JSON file; raises `ConfigError`."""
    try:
        reports = msgspec.json.decode(file.read_bytes(), type=list[ReportSnapshot])
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{file}: {error}") from None
    for report in reports:
        if "\0" in "".join((report.headline, report.summary, report.figures, *report.suggestions)):
            raise ConfigError(f"{file}: {report.id}: \\u0000 is no character that Postgres keeps")
    return reports


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _with(settings: Settings, section: str, **values: str) -> Settings:
    changed = msgspec.structs.replace(getattr(settings, section), **values)
    return msgspec.structs.replace(settings, **{section: changed})
