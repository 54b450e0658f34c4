"""The gateway.ini of the repository is the list of everything an operator can set."""

import configparser
from pathlib import Path

from gateway.config import SECTIONS, load
from gateway.settings import Settings

ROOT = Path(__file__).parents[1]
KEYS = [(name, key) for name, kind in SECTIONS.items() for key in kind.__struct_fields__]


def test_shipped_file_is_the_defaults() -> None:
    """The gateway.ini of the repository changes nothing."""
    assert load(ROOT / "gateway.ini", environ={}) == Settings()


def test_shipped_file_has_every_key() -> None:
    """The gateway.ini of the repository names every key there is, and no other."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "gateway.ini", encoding="utf-8")

    assert [(name, key) for name in parser.sections() for key in parser[name]] == KEYS
