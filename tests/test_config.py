"""Settings come from four places in one order, and what is wrong with them is told in one line."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from gateway.chat.errors import ConfigError
from gateway.config import CUSTOMARY, SECTIONS, load
from gateway.logs import LogFormat, LogLevel
from gateway.settings import Settings

KEYS = [(name, field) for name, kind in SECTIONS.items() for field in kind.__struct_fields__]
CANARY = "sk-canary"

Write = Callable[[str], Path]


@pytest.fixture
def ini(tmp_path: Path) -> Write:
    """Return a function that writes a gateway.ini."""

    def write(text: str) -> Path:
        file = tmp_path / "some.ini"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand where there is no gateway.ini."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


def trouble(
    file: Path | None = None,
    *,
    environ: dict[str, str] | None = None,
    overrides: dict[tuple[str, str], str] | None = None,
) -> str:
    """Return the line of the error, without the folder of the file."""
    with pytest.raises(ConfigError) as caught:
        load(file, environ=environ or {}, overrides=overrides)
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    assert CANARY not in line
    assert caught.value.__cause__ is None
    return line.replace(f"{file.parent}/", "") if file else line


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
        ("[server]\ntrusted_proxies = x", "some.ini: [server] trusted_proxies: expected networks"),
        ("[log]\nformat = xml", "some.ini: [log] format: Invalid enum value 'xml'"),
        ("[model local]\nx = 1", "some.ini: [model local] x: unknown key"),
        (
            "[model local]\ninput_usd_per_mtok = 1",
            "some.ini: [model local] output_usd_per_mtok: missing",
        ),
        ("[model local]", "some.ini: [model local] input_usd_per_mtok: missing"),
        (
            f"[openai]\napi_key = {CANARY}\n  model = x",
            "some.ini: [openai] api_key: Expected `str` matching regex '^[!-~]*$'",
        ),
        (
            f"[openai]\napi_key = “{CANARY}”",
            "some.ini: [openai] api_key: Expected `str` matching regex '^[!-~]*$'",
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


def test_byte_order_mark(ini: Write) -> None:
    """A file saved by Notepad, with a byte order mark, is read."""
    assert load(ini("\ufeff[server]\nport = 81\n"), environ={}).server.port == 81


def test_origins() -> None:
    """A bad value is told by the customary name or the option it came from."""
    line = "[server] port: Expected `int`, got `str`"

    assert trouble(environ={"PORT": "x"}) == f"PORT: {line}"
    assert trouble(overrides={("server", "port"): "x"}) == f"--port: {line}"


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
