"""The `gateway` command."""

import argparse
import asyncio
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway import __version__, commands
from gateway.chat.errors import ConfigError, GatewayError
from gateway.config import load
from gateway.logs import LogFormat, configure

# EX_CONFIG of sysexits.h: a supervisor need not start us again.
BAD_CONFIG = 78
ADDRESS = re.compile("https?://.")
# Whoever runs these reads what is logged at a terminal.
FOR_PEOPLE = (commands.dev, commands.check)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        settings = load(arguments.config, environ=os.environ, overrides=_overrides(arguments))
        configure(level=settings.log.level, format=settings.log.format)
        status: int = asyncio.run(arguments.run(settings, arguments))
    except ConfigError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return BAD_CONFIG
    except GatewayError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _overrides(arguments: argparse.Namespace) -> dict[tuple[str, str], str]:
    given: dict[tuple[str, str], str] = {}
    if arguments.run in FOR_PEOPLE and "GATEWAY_LOG_FORMAT" not in os.environ:
        given["log", "format"] = LogFormat.TEXT.value
    for name in ("host", "port"):
        value = getattr(arguments, name, None)
        if value is not None:
            given["server", name] = str(value)
    return given


def _url(text: str) -> str:
    if not ADDRESS.match(text):
        raise argparse.ArgumentTypeError("expected http:// or https://")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gateway", description="The gateway between a report and a model."
    )
    parser.add_argument("--version", action="version", version=f"gateway {__version__}")
    parser.set_defaults(config=None)
    actions = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = actions.add_parser("serve", help="serve with your Postgres, Redis and upstream")
    serve.set_defaults(run=commands.serve)

    dev = actions.add_parser("dev", help="serve with embedded Postgres, Redis and sample reports")
    dev.add_argument(
        "--data", type=Path, default=Path(".dev"), help="where the database lives (.dev)"
    )
    dev.set_defaults(run=commands.dev)

    for command in (serve, dev):
        command.add_argument("--host", help="address to listen on")
        command.add_argument("--port", type=int, help="port to listen on")

    migrate = actions.add_parser("migrate", help="bring the database's tables up to date")
    migrate.set_defaults(run=commands.migrate)

    reports = actions.add_parser("reports", help="load or list reports")
    verbs = reports.add_subparsers(required=True, metavar="VERB")
    load_reports = verbs.add_parser("import", help="add reports from a JSON file, or replace them")
    load_reports.add_argument("file", type=Path)
    load_reports.set_defaults(run=commands.import_reports)
    verbs.add_parser("list", help="list reports").set_defaults(run=commands.list_reports)

    spend = actions.add_parser("spend", help="print what was spent")
    by = spend.add_mutually_exclusive_group()
    by.add_argument("--day", action="store_true", help="by day, the default")
    by.add_argument("--session", action="store_true", help="by session, dearest first")
    spend.set_defaults(run=commands.spend)

    check = actions.add_parser("check", help="say whether everything needed is there")
    check.add_argument(
        "--upstream", action="store_true", help="also ask the model for one token, which is billed"
    )
    check.set_defaults(run=commands.check)

    selftest = actions.add_parser("selftest", help="measure what a proxy does to answers")
    selftest.add_argument("url", type=_url, help="where the page is, as a reader's browser has it")
    selftest.set_defaults(run=commands.selftest)

    schema = actions.add_parser("schema", help="print the JSON Schema of the wire's frames")
    schema.set_defaults(run=commands.schema)

    simulate = actions.add_parser("simulate", help="serve a stand-in for the OpenAI API")
    simulate.add_argument("--simulator-port", type=int, default=9900, metavar="PORT")
    simulate.add_argument("--tokens-per-second", type=float, default=40.0)
    simulate.set_defaults(run=commands.simulate)

    for command in (serve, dev, migrate, load_reports, spend, check, simulate):
        command.add_argument("--config", type=Path, help="a gateway.ini (default: the one here)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
