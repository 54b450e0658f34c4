"""Settings come from four places in one order, and what is wrong with them is told in one line."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from gateway.config import CUSTOMARY, SECTIONS, load
from gateway.logs import LogFormat, LogLevel
from gateway.settings import Settings
from tests.ini import CANARY, Write, ini, nowhere, trouble

__all__ = ["ini", "nowhere"]

KEYS = [(name, field) for name, kind in SECTIONS.items() for field in kind.__struct_fields__]


def test_defaults() -> None:
    """Without any source the settings are the defaults."""
    assert load(environ={}) == Settings()


def test_file(ini: Write) -> None:
    """A file changes what it names and nothing else."""
    settings = load(ini("[server]\nport = 81\n"), environ={})

    changed = msgspec.structs.replace(Settings().server, port=81)
    assert settings == msgspec.structs.replace(Settings(), server=changed)


def test_file_here() -> None:
    """The gateway.ini of the working directory is read unasked."""
    Path("gateway.ini").write_text("[server]\nport = 81\n")

    assert load(environ={}).server.port == 81


def test_named_file_only(ini: Write) -> None:
    """With a file named, the gateway.ini of the working directory is not read."""
    Path("gateway.ini").write_text("[server]\nport = 81\nhost = ::1\n")

    assert load(ini("[server]\nport = 82\n"), environ={}).server == msgspec.structs.replace(
        Settings().server, port=82
    )


def test_customary_outranks_file(ini: Write) -> None:
    """A customary name outranks the file."""
    assert load(ini("[server]\nport = 81\n"), environ={"PORT": "82"}).server.port == 82


def test_ours_outranks_customary(ini: Write) -> None:
    """GATEWAY_<SECTION>_<KEY> outranks the customary name and the file."""
    environ = {"GATEWAY_SERVER_PORT": "83", "PORT": "82"}

    assert load(ini("[server]\nport = 81\n"), environ=environ).server.port == 83


def test_command_line_outranks_all(ini: Write) -> None:
    """The command line outranks everything."""
    settings = load(
        ini("[server]\nport = 81\n"),
        environ={"GATEWAY_SERVER_PORT": "83", "PORT": "82"},
        overrides={("server", "port"): "84"},
    )

    assert settings.server.port == 84


@pytest.mark.parametrize("name", CUSTOMARY)
def test_customary_names(name: str) -> None:
    """Each customary name sets its key."""
    section, key = CUSTOMARY[name]
    value = {"PORT": "7"}.get(name, "http://localhost:7/x")

    assert str(getattr(getattr(load(environ={name: value}), section), key)) == value


@pytest.mark.parametrize("name", CUSTOMARY)
def test_empty_customary_name(name: str) -> None:
    """An empty customary name is as if it were not there."""
    assert load(environ={name: ""}) == Settings()


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_from_the_environment(section: str, key: str) -> None:
    """Every key can be set, and then is told, by its name in the environment."""
    name = f"GATEWAY_{section}_{key}".upper()
    if isinstance(getattr(getattr(Settings(), section), key), str | tuple):
        values = {"base_url": "http://h/", "level": "DEBUG", "format": "text"}
        value = (values | {"trusted_proxies": "10.0.0.0/8, ::1"}).get(key, "x")
        assert load(environ={name: value}) != Settings()
    else:
        assert trouble(environ={name: CANARY}).startswith(f"{name}: [{section}] {key}: ")


def test_environment_of_others() -> None:
    """Variables that are not ours are left alone: Kubernetes sets some for a service `gateway`."""
    environ = {"PATH": "/bin", "GATEWAY_PORT_80_TCP": "tcp://10.0.0.1:80", "GATEWAY_HOME": "/x"}

    assert load(environ=environ) == Settings()


def test_unknown_key_in_environment() -> None:
    """A key of ours mistyped in the environment is told."""
    assert trouble(environ={"GATEWAY_SERVER_PROT": "1"}) == (
        "GATEWAY_SERVER_PROT: [server] prot: unknown key"
    )


def test_byte_order_mark(ini: Write) -> None:
    """A file saved by Notepad, with a byte order mark, is read."""
    assert load(ini("\ufeff[server]\nport = 81\n"), environ={}).server.port == 81


def test_values(ini: Write) -> None:
    """Lists, truths, dollars, seconds and names are read as people write them."""
    settings = load(
        ini(
            "[server]\nallowed_origins = https://a.example, https://b.example\nreuse_port = YES\n"
            "[cost]\nday_usd = 12.50\n[limits]\nturn_seconds = 90\n"
            "[log]\nlevel = DEBUG\nformat = text\n[openai]\nmodel = 100%\n"
        ),
        environ={},
    )

    assert settings.server.allowed_origins == ("https://a.example", "https://b.example")
    assert settings.server.reuse_port is True
    assert settings.cost.day_usd == Decimal("12.50")
    assert settings.limits.turn_seconds == 90.0
    assert (settings.log.level, settings.log.format) == (LogLevel.DEBUG, LogFormat.TEXT)
    assert settings.openai.model == "100%"


def test_later_sources_leave_the_rest(ini: Write) -> None:
    """Each source changes its own keys; the others stay as the sources below set them."""
    environ = {"PORT": "82", "GATEWAY_LOG_FORMAT": "text"}
    settings = load(ini("[server]\nhost = ::1\n[log]\nlevel = ERROR\n"), environ=environ)

    assert (settings.server.host, settings.server.port) == ("::1", 82)
    assert settings.log == msgspec.structs.replace(
        settings.log, level=LogLevel.ERROR, format=LogFormat.TEXT
    )


def test_secret_is_stripped() -> None:
    """A key with the line end of the file it came from is the key."""
    assert load(environ={"OPENAI_API_KEY": " sk-1\n"}).openai.api_key == "sk-1"
