"""What is not at its default, and where it came from."""

from pathlib import Path

import pytest

from gateway.chat.errors import ConfigError
from gateway.config import changes


def test_nothing_is_changed() -> None:
    """Without a file and an environment there is nothing to say."""
    assert changes(environ={}) == []


def test_a_default_written_out(tmp_path: Path) -> None:
    """A setting that is given its default is not changed."""
    file = tmp_path / "g.ini"
    file.write_text("[server]\nport = 8080\n[cost]\nday_usd = 50.0\n")
    assert changes(file, environ={}) == []


def test_the_last_source_is_named(tmp_path: Path) -> None:
    """Of several sources the one that counts is named, never its value."""
    file = tmp_path / "g.ini"
    file.write_text("[server]\nport = 1\n[openai]\napi_key = sk-file\nmodel = gpt-4o\n")
    environ = {"OPENAI_API_KEY": "sk-secret", "GATEWAY_SERVER_PORT": "2"}
    assert changes(file, environ=environ) == [
        "[server] port from GATEWAY_SERVER_PORT",
        "[openai] api_key from OPENAI_API_KEY",
        f"[openai] model from {file}",
    ]


def test_a_price_of_our_own(tmp_path: Path) -> None:
    """The price of a model is always worth naming: it may outrank a built-in one."""
    file = tmp_path / "g.ini"
    file.write_text("[model m]\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 2\n")
    assert changes(file, environ={}) == [
        f"[model m] input_usd_per_mtok from {file}",
        f"[model m] output_usd_per_mtok from {file}",
    ]


def test_what_is_wrong_is_told() -> None:
    """What would stop the start is raised here as well."""
    with pytest.raises(ConfigError, match="unknown key"):
        changes(environ={"GATEWAY_SERVER_PROT": "1"})
