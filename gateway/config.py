"""Read `gateway.ini` and the environment into frozen settings; the only reader of either.

Packaged defaults < `gateway.ini` < `GATEWAY_<SECTION>_<KEY>` < command line. Secrets and addresses may also
come under their customary names. Anything unknown or unusable is a `ConfigError` of one line.
"""

import configparser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.chat.errors import ConfigError
from gateway.chat.pricing import ModelFacts, PriceTable
from gateway.settings import Settings
from gateway.values import read

MODEL_PREFIX = "model "
DEFAULT_FILE = Path("gateway.ini")
PRICES_FILE = Path(__file__).parent / "data" / "openai_prices.json"
# The customary names of secrets and addresses, where they go, and ours that outranks each.
CUSTOMARY = {
    "OPENAI_API_KEY": ("openai", "api_key"),
    "OPENAI_BASE_URL": ("openai", "base_url"),
    "DATABASE_URL": ("database", "url"),
    "REDIS_URL": ("redis", "url"),
    "PORT": ("server", "port"),
}
SECTIONS = {
    field.name: field.type for field in msgspec.structs.fields(Settings) if field.name != "models"
}


class Supervision(msgspec.Struct, frozen=True, kw_only=True):
    """What systemd expects: where notices go, and after what silence we are dead; "" and 0 for neither."""

    address: str
    watchdog_seconds: float


class _Value(msgspec.Struct, frozen=True):
    text: str
    origin: str


_Raw = dict[str, dict[str, _Value]]


def load(
    file: Path | None = None,
    *,
    environ: Mapping[str, str],
    overrides: Mapping[tuple[str, str], str] | None = None,
) -> Settings:
    """Return the settings; `file` must exist, `gateway.ini` here is read where there is one.

    Raises `ConfigError` naming the origin, the section, the key and the reason.
    """
    return _settings(_gather(file, environ, overrides or {}), origin=str(file or DEFAULT_FILE))


def changes(file: Path | None = None, *, environ: Mapping[str, str]) -> list[str]:
    """Return what is not at its default, and where that came from: `[section] key from origin`.

    Raises as `load` does.
    """
    raw = _gather(file, environ, {})
    defaults, settings = Settings(), _settings(raw, origin=str(file or DEFAULT_FILE))
    return [
        f"[{section}] {key} from {value.origin}"
        for section, values in raw.items()
        for key, value in values.items()
        if section.startswith(MODEL_PREFIX)
        or _of(settings, section, key) != _of(defaults, section, key)
    ]


def _gather(
    file: Path | None, environ: Mapping[str, str], overrides: Mapping[tuple[str, str], str]
) -> _Raw:
    raw = _from_file(file)
    for name, (section, key) in CUSTOMARY.items():
        if environ.get(name):
            raw.setdefault(section, {})[key] = _Value(environ[name], name)
    for section in SECTIONS:
        prefix = f"GATEWAY_{section}_".upper()
        for name in environ:
            if name.startswith(prefix):
                # Also an unknown key: a mistyped cap must not be no cap.
                key = name.removeprefix(prefix).lower()
                raw.setdefault(section, {})[key] = _Value(environ[name], name)
    for (section, key), text in overrides.items():
        raw.setdefault(section, {})[key] = _Value(text, f"--{key.replace('_', '-')}")
    return raw


def _settings(raw: _Raw, *, origin: str) -> Settings:
    raw = dict(raw)
    models = {
        section.removeprefix(MODEL_PREFIX).strip(): _section(
            section, ModelFacts, raw.pop(section), origin=origin
        )
        for section in [name for name in raw if name.startswith(MODEL_PREFIX)]
    }
    for section in raw:
        if section not in SECTIONS:
            raise ConfigError(f"{origin}: [{section}]: unknown section")
    settings = Settings(
        models=models,
        **{
            name: _section(name, kind, raw.get(name, {}), origin=origin)
            for name, kind in SECTIONS.items()
        },
    )
    if settings.openai.min_output_tokens > settings.openai.max_output_tokens:
        # No question would ever be answered.
        given = raw["openai"].get("max_output_tokens") or raw["openai"]["min_output_tokens"]
        raise ConfigError(f"{given.origin}: [openai] max_output_tokens: below min_output_tokens")
    return settings


def supervision(environ: Mapping[str, str], *, pid: int) -> Supervision:
    """Return what systemd expects of process `pid` (sd_notify(3), sd_watchdog_enabled(3)).

    Raises `ConfigError` for a time that is none.
    """
    text = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        # Meant for the process that started us.
        text = ""
    if text and not (text.isascii() and text.isdecimal()):
        raise ConfigError("WATCHDOG_USEC: expected microseconds")
    return Supervision(
        address=environ.get("NOTIFY_SOCKET", ""), watchdog_seconds=int(text or 0) / 1_000_000
    )


def price_table() -> PriceTable:
    """Return the built-in prices."""
    return msgspec.json.decode(PRICES_FILE.read_bytes(), type=PriceTable)


def facts_of(model: str, settings: Settings) -> ModelFacts:
    """Return price and encoding of `model`; raises `ConfigError` where there is no price: never free."""
    facts = settings.models.get(model) or price_table().find(model)
    if facts is None:
        key = "fallback_model" if model == settings.openai.fallback_model else "model"
        raise ConfigError(
            f"[openai] {key}: no price for {model!r}; add a section [model {model}] with"
            " input_usd_per_mtok and output_usd_per_mtok"
        )
    return facts


def fallback_of(settings: Settings) -> ModelFacts | None:
    """Return price and encoding of the fallback model, None where there is none; raises `ConfigError`."""
    if not settings.openai.fallback_model:
        return None
    fallback = facts_of(settings.openai.fallback_model, settings)
    if fallback.encoding != facts_of(settings.openai.model, settings).encoding:
        raise ConfigError("[openai] fallback_model: counts tokens by another encoding than model")
    return fallback


def _from_file(file: Path | None) -> _Raw:
    if file is None:
        try:
            if not DEFAULT_FILE.is_file():
                return {}
        except OSError as error:
            # Of a folder that its user may not even enter, root's for example.
            raise ConfigError(f"{DEFAULT_FILE}: {error.strerror}") from None
        file = DEFAULT_FILE
    parser = configparser.ConfigParser(interpolation=None, default_section="\0")
    try:
        with file.open(encoding="utf-8-sig") as lines:
            parser.read_file(lines)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    except configparser.DuplicateOptionError as error:
        raise ConfigError(f"{file}: [{error.section}] {error.option}: given twice") from None
    except configparser.DuplicateSectionError as error:
        raise ConfigError(f"{file}: [{error.section}]: given twice") from None
    except (configparser.Error, UnicodeDecodeError):
        raise ConfigError(f"{file}: not an ini file of sections, keys and values") from None
    return {
        section: {key: _Value(text, str(file)) for key, text in parser[section].items()}
        for section in parser.sections()
    }


def _of(settings: Settings, section: str, key: str) -> object:
    return getattr(getattr(settings, section), key)


def _section(name: str, kind: Any, values: Mapping[str, _Value], *, origin: str) -> Any:
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    known = {}
    for key, value in values.items():
        if key not in fields:
            raise ConfigError(f"{value.origin}: [{name}] {key}: unknown key")
        try:
            known[key] = read(value.text.strip(), fields[key].type)
        except ValueError as error:
            raise ConfigError(f"{value.origin}: [{name}] {key}: {error}") from None
    for key, field in fields.items():
        if field.required and key not in known:
            raise ConfigError(f"{origin}: [{name}] {key}: missing")
    return kind(**known)
