"""Read what an operator wrote as the value it stands for: dollars, addresses, lists, yes and no."""

import configparser
import math
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

import msgspec

from gateway.settings import Address, ApiKey, Network

# Nano-dollars of this much still fit what Postgres counts them with, eight bytes.
MOST_DOLLARS = 1_000_000_000


def read(text: str, kind: Any) -> Any:
    """Return `text` as a value of `kind`; raises `ValueError` with what was expected."""
    if kind == tuple[str, ...]:
        return _words(text)
    if kind == tuple[Network, ...]:
        return tuple(_network(word) for word in _words(text))
    if kind is bool:
        try:
            return configparser.ConfigParser.BOOLEAN_STATES[text.lower()]
        except KeyError:
            raise ValueError("expected yes or no") from None
    if kind in (Decimal, Decimal | None):
        return _dollars(text)
    if kind == Address:
        return web_address(text)
    if kind == ApiKey:
        return _key(text)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _one_of(kind, text)
    value = msgspec.convert(text, type=kind, strict=False)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("expected a finite number")
    return value


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError("expected networks") from None


def _one_of(kind: type[StrEnum], text: str) -> StrEnum:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"expected one of {', '.join(kind)}") from None


def _key(text: str) -> str:
    if not all("!" <= character <= "~" for character in text):
        raise ValueError("expected letters, digits and signs of ASCII, without a space")
    return text


def web_address(text: str) -> str:
    """Return `text` where it is an address that can be asked; raises `ValueError` with what was expected."""
    try:
        address = urlsplit(text)
        usable = address.scheme in ("http", "https") and address.hostname and address.port != 0
    except ValueError:
        # Raised by the port as well, when it is asked for.
        usable = False
    if not usable or not text.isprintable() or " " in text:
        raise ValueError("expected http:// or https://, a host and perhaps a port")
    return text


def _dollars(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or not 0 <= value <= MOST_DOLLARS:
        raise ValueError(f"expected dollars, 0 to {MOST_DOLLARS}")
    return value
