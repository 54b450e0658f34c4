"""The documents say what the code does: every setting, error code, log line, and where links lead."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.chat.codes import Code
from gateway.chat.pricing import ModelFacts
from gateway.config import CUSTOMARY, SECTIONS, load
from gateway.settings import Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted((*ROOT.glob("*.md"), *DOCS.glob("*.md")))
WRITTEN = sorted((*PAGES, *DOCS.glob("*.yaml"), *DOCS.glob("*.conf"), *DOCS.glob("*.service")))
KEYS = [(name, key) for name, kind in SECTIONS.items() for key in kind.__struct_fields__]
MODULES = [f for f in sorted((ROOT / "gateway").rglob("*.py")) if "dev" not in f.parts]
LOGGING = {"debug", "info", "warning", "error", "exception", "critical"}
# Where people keep their work; what a document names there exists nowhere else.
PRIVATE = re.compile(r"(?<![\w.])/(?:work|root|home|Users)/\w")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


class Row(msgspec.Struct, frozen=True):
    """One row of a table of settings."""

    section: str
    key: str
    names: list[str]
    default: str


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """The settings as docs/configuration.md has them."""
    return list(_rows((DOCS / "configuration.md").read_text(encoding="utf-8")))


def test_every_key(rows: list[Row]) -> None:
    """Every key is there once, in the order of the settings, and no other."""
    assert [(row.section, row.key) for row in rows] == KEYS


def test_names_in_the_environment(rows: list[Row]) -> None:
    """Every key has its name in the environment beside it, and its customary one."""
    customary = {place: name for name, place in CUSTOMARY.items()}
    for row in rows:
        names = [f"GATEWAY_{row.section}_{row.key}".upper()]
        if (row.section, row.key) in customary:
            names.append(customary[row.section, row.key])
        assert row.names == names


def test_defaults(rows: list[Row]) -> None:
    """Each default, written into the environment, changes nothing."""
    for row in rows:
        value = "" if row.default == "empty" else row.default
        assert load(environ={row.names[0]: value}) == Settings(), row


def test_every_key_of_a_model() -> None:
    """Every key of a [model NAME] section is there with its default, and no other."""
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    table = text.partition("## `[model NAME]`")[2].partition("\n## ")[0]
    told = {cells[0].strip("`"): cells[1].strip("`") for cells in _tables(table)}

    fields = msgspec.structs.fields(ModelFacts)
    assert set(told) == {field.name for field in fields}
    for field in fields:
        if field.required:
            assert told[field.name] == "required"
        elif field.default is not None:
            assert told[field.name] == {False: "no"}.get(field.default, str(field.default))


@pytest.mark.parametrize("page", ["protocol.md", "operations.md"])
def test_error_codes(page: str) -> None:
    """Every error code has a row."""
    told = {
        code
        for cells in _tables((DOCS / page).read_text(encoding="utf-8"))
        for code in re.findall(r"`(\w+)`", cells[0])
    }

    assert set(Code) - told == set()


def test_log_events() -> None:
    """Every event that is logged has a row in docs/operations.md."""
    events = {event for file in MODULES for event, _ in _logged(file)}

    assert len(events) > 10
    assert events - _operations() == set()


def test_log_fields() -> None:
    """Every field that is logged has a row in docs/operations.md."""
    fields = {name for file in MODULES for _, names in _logged(file) for name in names}

    assert len(fields) > 10
    assert fields - _operations() == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    """Every link to a file of ours leads to one, and to a heading that it has."""
    text = page.read_text(encoding="utf-8")
    dead = [link for link in LINK.findall(text) if not _leads_somewhere(link, page)]

    assert dead == []


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.name)
def test_no_private_paths(file: Path) -> None:
    """No document names a path of the machine it was written on."""
    assert PRIVATE.findall(file.read_text(encoding="utf-8")) == []


def _rows(text: str) -> Iterator[Row]:
    for part in text.split("\n## ")[1:]:
        section = re.match(r"`\[(\w+)\]`", part)
        if section is not None:
            for cells in _tables(part):
                yield Row(
                    section=section[1],
                    key=cells[0].strip("`"),
                    names=re.findall(r"`(\w+)`", cells[1]),
                    default=cells[2].strip("`"),
                )


def _tables(text: str) -> Iterator[list[str]]:
    """Yield the cells of every row that begins with a name in code."""
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def _operations() -> set[str]:
    """Return every name in code that begins a row of docs/operations.md."""
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    return {name for cells in _tables(text) for name in re.findall(r"`([\w.]+)`", cells[0])}


def _logged(file: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield every event that a module logs, with the fields it adds."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(attr=attr), args=[ast.Constant(value=str(event)), *_]
            ) if attr in LOGGING:
                yield event, [name for keyword in node.keywords for name in _names(keyword)]


def _names(keyword: ast.keyword) -> list[Any]:
    if keyword.arg != "extra" or not isinstance(keyword.value, ast.Dict):
        return []
    return [key.value for key in keyword.value.keys if isinstance(key, ast.Constant)]


def _leads_somewhere(link: str, page: Path) -> bool:
    if re.match(r"[a-z]+:", link):
        return True
    path, _, heading = link.partition("#")
    target = page.parent / path if path else page
    if not target.exists() or not target.resolve().is_relative_to(ROOT.resolve()):
        return False
    return not heading or heading in _headings(target)


def _headings(page: Path) -> set[str]:
    """Return the anchors of a page, as GitHub makes them."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line[:1] == "#"]
    return {re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in lines}
