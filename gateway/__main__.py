"""The `gateway` command."""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from gateway import __version__, commands
from gateway.chat.errors import CannotStart, ConfigError, GatewayError
from gateway.config import load
from gateway.logs import LogFormat, configure
from gateway.settings import Settings
from gateway.values import web_address

# EX_CONFIG of sysexits.h: a supervisor need not start us again.
BAD_CONFIG = 78


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        settings = load(arguments.config, environ=os.environ, overrides=_overrides(arguments))
        configure(level=settings.log.level, format=settings.log.format)
        status: int = asyncio.run(arguments.run(settings, arguments))
        sys.stdout.flush()
    except CannotStart as error:
        print(f"gateway: {error}", file=sys.stderr)
        return BAD_CONFIG if isinstance(error, ConfigError) else 1
    except GatewayError as error:
        print(f"gateway: {error}; `gateway check` says more", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read along has left, `head` for example. Python would want to write the rest at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _overrides(arguments: argparse.Namespace) -> dict[tuple[str, str], str]:
    given: dict[tuple[str, str], str] = {}
    # Whoever runs anything else reads what is logged at a terminal.
    if arguments.run is not commands.serve and "GATEWAY_LOG_FORMAT" not in os.environ:
        given["log", "format"] = LogFormat.TEXT.value
    for name in ("host", "port"):
        value = getattr(arguments, name, None)
        if value is not None:
            given["server", name] = str(value)
    return given


def _url(text: str) -> str:
    try:
        return web_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError("expected a number, 0 to 65535")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gateway",
        description="The gateway between a report and a model.",
        epilog="Settings come from gateway.ini here and from the environment. Exit status: 0 all is well,"
        " 1 something is missing, away or taken, 2 wrong arguments, 78 wrong settings."
        " `gateway COMMAND --help` says what each takes.",
    )
    parser.add_argument("--version", action="version", version=f"gateway {__version__}")
    parser.set_defaults(config=None)
    actions = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = _add(actions, "serve", commands.serve, help="serve with your Postgres, Redis and model")
    dev = _add(
        actions,
        "dev",
        commands.dev,
        help="serve a trial: embedded Postgres and Redis, sample reports",
    )
    dev.add_argument(
        "--data",
        type=Path,
        default=Path(".dev"),
        metavar="FOLDER",
        help="where its database lives (default: .dev); where root starts it, whoever knows the way may pass"
        " through the folders above",
    )
    for command in (serve, dev):
        command.add_argument("--host", help="address to listen on (default: [server] host)")
        command.add_argument(
            "--port", type=_port, help="port to listen on (default: [server] port)"
        )

    migrate = _add(
        actions, "migrate", commands.migrate, help="bring the database's tables up to date"
    )

    reports = actions.add_parser("reports", help="load or list reports")
    verbs = reports.add_subparsers(required=True, metavar="VERB")
    load_reports = _add(
        verbs, "import", commands.import_reports, help="add reports, or new versions of them"
    )
    load_reports.add_argument("file", type=Path, help="a list of reports in JSON, as in README.md")
    list_reports = _add(verbs, "list", commands.list_reports, help="print id and headline of each")

    spend = _add(
        actions, "spend", commands.spend, help="print what was spent and what is set aside"
    )
    by = spend.add_mutually_exclusive_group()
    by.add_argument("--day", action="store_true", help="by day, the default")
    by.add_argument("--session", action="store_true", help="by session, dearest first")

    check = _add(actions, "check", commands.check, help="look whether all that is needed is there")
    check.add_argument(
        "--upstream", action="store_true", help="also ask the model for one token, which is billed"
    )

    selftest = _add(
        actions, "selftest", commands.selftest, help="measure what a proxy does to answers"
    )
    selftest.add_argument("url", type=_url, help="where the page is, as a reader's browser has it")

    _add(actions, "schema", commands.schema, help="print the JSON Schema of the wire's frames")

    simulate = _add(
        actions, "simulate", commands.simulate, help="serve a stand-in for the OpenAI API"
    )
    simulate.add_argument(
        "--simulator-port", type=_port, default=9900, metavar="PORT", help="(default: 9900)"
    )
    simulate.add_argument(
        "--tokens-per-second", type=float, default=40.0, metavar="N", help="(default: 40)"
    )

    for command in (serve, dev, migrate, load_reports, list_reports, spend, check, simulate):
        command.add_argument(
            "--config", type=Path, metavar="FILE", help="settings (default: gateway.ini here)"
        )
    return parser


def _add(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[Settings, argparse.Namespace], Awaitable[int]],
    *,
    help: str,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
    parser.set_defaults(run=run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
