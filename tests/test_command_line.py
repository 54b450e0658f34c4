"""The `gateway` command: what its help says, and how it ends when something is wrong."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.__main__ import main

COMMANDS = (
    *(("serve",), ("dev",), ("migrate",), ("reports", "import"), ("reports", "list"), ("spend",)),
    *(("check",), ("selftest",), ("schema",), ("simulate",)),
)
# Its name and what it takes; the rest is its explanation.
OPTION = re.compile(r"--?[\w-]+( [A-Z]+)?")
NO_DATABASE = "gateway: [database] url: missing (or DATABASE_URL); `gateway dev` brings its own\n"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """Return what `--help` prints."""
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def run(folder: Path, *command: str, **environ: str) -> tuple[int, str]:
    """Run a command in an empty folder; return its exit status and what it says on standard error."""
    process = subprocess.run(
        [sys.executable, "-m", "gateway", *command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return process.returncode, process.stderr


def test_every_command_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """The help names every command, and what an exit status means."""
    text = help_of(capsys)
    assert [name for name, *_ in COMMANDS if name not in text] == []
    assert "78 wrong settings" in " ".join(text.split())


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_says_what_it_does(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    """The help of a command opens with a sentence, and every option is explained."""
    text = help_of(capsys, *command)
    assert any(line[:1].isupper() and line.endswith(".") for line in text.splitlines())
    options = re.split(r"\n  (?=-)", text.partition("options:")[2])[1:]
    assert [each for each in options if not re.search("[a-z]{3}", OPTION.sub("", each))] == []


@pytest.mark.parametrize("command", [("serve",), ("migrate",), ("reports", "list"), ("spend",)])
def test_no_database(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Without the address of a database a command says so, and ends as with any wrong setting."""
    assert run(tmp_path, *command) == (78, NO_DATABASE)


def test_the_database_is_away(tmp_path: Path) -> None:
    """Where Postgres does not answer, the command that finds out why is named."""
    status, said = run(tmp_path, "spend", DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert status == 1
    assert said.splitlines()[-1] == "gateway: storage_unavailable; `gateway check` says more"
    assert said.count("storage.failed") == 1, "and its log is text, for a person to read"
    assert "{" not in said


def test_the_port_is_taken(tmp_path: Path, taken: int) -> None:
    """A port that is taken is told in one short sentence, and may be tried again."""
    status, said = run(tmp_path, "simulate", "--simulator-port", str(taken))
    assert status == 1
    assert said.splitlines()[-1] == f"gateway: 127.0.0.1:{taken}: Address already in use"


def test_an_address_that_is_none(tmp_path: Path) -> None:
    """A host that nobody knows yet is told as well."""
    status, said = run(
        *(tmp_path, "serve", "--host", "no-such-name.invalid"),
        DATABASE_URL="postgresql://127.0.0.1:1/none",
        GATEWAY_SERVER_OPS_PORT="0",
    )
    assert status == 1
    assert '"event"' in said, "the log of a service is JSON"
    assert said.splitlines()[-1].startswith("gateway: no-such-name.invalid:8080: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("simulate", "--simulator-port", "65536"),
        ("serve", "--port", "-1"),
        ("selftest", "http://["),
    ],
    ids=" ".join,
)
def test_an_argument_that_is_none(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A port or an address that cannot be one ends as wrong arguments do, with what was expected."""
    status, said = run(tmp_path, *arguments)
    assert (status, "expected" in said.splitlines()[-1]) == (2, True)


def test_whoever_reads_along_leaves(tmp_path: Path) -> None:
    """A pipe whose reader has read enough is no crash."""
    process = subprocess.run(
        f"{sys.executable} -m gateway schema | head -1",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (process.stdout, process.stderr) == ("{\n", "")


def test_a_report_that_cannot_be_kept(tmp_path: Path) -> None:
    """A report with the one character that Postgres has not is named before anything is asked of it."""
    (tmp_path / "reports.json").write_text(
        r'[{"id": "spring", "locale": "ko", "headline": "\u0000", "summary": ""}]'
    )
    status, said = run(tmp_path, "reports", "import", "reports.json")
    assert status == 78
    assert said == "gateway: reports.json: spring: \\u0000 is no character that Postgres keeps\n"
