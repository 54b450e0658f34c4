"""What is wrong with a setting is told in one line: its origin, section, key, and what was expected."""

from pathlib import Path

import pytest

from tests.ini import CANARY, Write, ini, nowhere, trouble

__all__ = ["ini", "nowhere"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[server]\nprot = 1", "some.ini: [server] prot: unknown key"),
        ("[serve]\nport = 1", "some.ini: [serve]: unknown section"),
        ("[serve]", "some.ini: [serve]: unknown section"),
        ("[models]\na = 1", "some.ini: [models]: unknown section"),
        ("[DEFAULT]\nport = 1", "some.ini: [DEFAULT]: unknown section"),
        ("[server]\nport = 1\nPORT = 2", "some.ini: [server] port: given twice"),
        ("[server]\n[server]", "some.ini: [server]: given twice"),
        ("[server]\nport = x", "some.ini: [server] port: Expected `int`, got `str`"),
        ("[server]\nport =", "some.ini: [server] port: Expected `int`, got `str`"),
        ("[server]\nport = 65536", "some.ini: [server] port: Expected `int` <= 65535"),
        ("[server]\nreuse_port = 2", "some.ini: [server] reuse_port: expected yes or no"),
        ("[limits]\nturn_seconds = 0", "some.ini: [limits] turn_seconds: Expected `float` > 0.0"),
        (
            "[limits]\nturn_seconds = inf",
            "some.ini: [limits] turn_seconds: expected a finite number",
        ),
        ("[cost]\nday_usd = -1", "some.ini: [cost] day_usd: expected dollars, 0 to 1000000000"),
        ("[cost]\nday_usd = nan", "some.ini: [cost] day_usd: expected dollars, 0 to 1000000000"),
        ("[cost]\nday_usd = $5", "some.ini: [cost] day_usd: expected dollars, 0 to 1000000000"),
        (
            "[cost]\nday_usd = 9999999999",
            "some.ini: [cost] day_usd: expected dollars, 0 to 1000000000",
        ),
        (
            "[openai]\nmax_output_tokens = 63",
            "some.ini: [openai] max_output_tokens: below min_output_tokens",
        ),
        (
            "[openai]\nmin_output_tokens = 1025",
            "some.ini: [openai] max_output_tokens: below min_output_tokens",
        ),
        ("[server]\nops_host =", "some.ini: [server] ops_host: Expected `str` of length >= 1"),
        ("[openai]\nmodel =", "some.ini: [openai] model: Expected `str` of length >= 1"),
        (
            "[resume]\ncheckpoint_seconds = 3",
            "some.ini: [resume] checkpoint_seconds: Expected `float` <= 2.0",
        ),
        (
            "[limits]\nmessage_chars = 9999999999",
            "some.ini: [limits] message_chars: Expected `int` <= 2147483647",
        ),
        (
            "[model local]\ncontext_tokens = 0",
            "some.ini: [model local] context_tokens: Expected `int` >= 1",
        ),
        ("[server]\ntrusted_proxies = x", "some.ini: [server] trusted_proxies: expected networks"),
        ("[log]\nformat = xml", "some.ini: [log] format: expected one of json, text"),
        ("[model local]\nx = 1", "some.ini: [model local] x: unknown key"),
        (
            "[model local]\ninput_usd_per_mtok = 1",
            "some.ini: [model local] output_usd_per_mtok: missing",
        ),
        ("[model local]", "some.ini: [model local] input_usd_per_mtok: missing"),
        (
            f"[openai]\napi_key = {CANARY}\n  model = x",
            "some.ini: [openai] api_key: expected letters, digits and signs of ASCII, without a space",
        ),
        (
            f"[openai]\napi_key = “{CANARY}”",
            "some.ini: [openai] api_key: expected letters, digits and signs of ASCII, without a space",
        ),
    ],
)
def test_trouble_in_file(ini: Write, text: str, line: str) -> None:
    """What is wrong in a file is told with its origin, section, key and reason."""
    assert trouble(ini(text)) == line


@pytest.mark.parametrize(
    "address",
    [
        *("api.openai.com", "ftp://h/v1", "https://", "http://:80/v1"),
        *(
            "http://h:65536/v1",
            "http://h:0/v1",
            "http://h:x/v1",
            "http://[::1/v1",
            "http://h\x01/v1",
            "http://a b/v1",
        ),
    ],
)
def test_no_address(ini: Write, address: str) -> None:
    """An address that nobody can be asked at is told at the start, not by a crash at the first use."""
    assert trouble(ini(f"[openai]\nbase_url = {address}")) == (
        "some.ini: [openai] base_url: expected http:// or https://, a host and perhaps a port"
    )


@pytest.mark.parametrize("text", [CANARY, f"[openai]\n{CANARY}", f"[openai\nx = {CANARY}"])
def test_not_ini(ini: Write, text: str) -> None:
    """A file that is no ini file is told without quoting it: the line may be a secret."""
    assert trouble(ini(text)) == "some.ini: not an ini file of sections, keys and values"


def test_not_text(tmp_path: Path) -> None:
    """A file that is not UTF-8 is no ini file."""
    file = tmp_path / "some.ini"
    file.write_bytes(b"[server]\nhost = \xff\n")

    assert trouble(file) == "some.ini: not an ini file of sections, keys and values"


def test_missing_file(tmp_path: Path) -> None:
    """A file named and not there is told."""
    assert trouble(tmp_path / "none.ini") == "none.ini: No such file or directory"


def test_folder(tmp_path: Path) -> None:
    """A folder in place of a file is told."""
    assert trouble(tmp_path / "cwd") == "cwd: Is a directory"


def test_a_place_that_cannot_be_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not let us look for a gateway.ini, it says why."""
    name = "x" * 300
    monkeypatch.setattr("gateway.config.DEFAULT_FILE", Path(name))

    assert trouble() == f"{name}: File name too long"


def test_origins() -> None:
    """A bad value is told by the customary name or the option it came from."""
    line = "[server] port: Expected `int`, got `str`"

    assert trouble(environ={"PORT": "x"}) == f"PORT: {line}"
    assert trouble(overrides={("server", "port"): "x"}) == f"--port: {line}"
