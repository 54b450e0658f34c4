"""The house rules that no other tool checks: who imports a library, how long a file is, how it opens."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "gateway").rglob("*.py"))
SCRIPTS = sorted((ROOT / "static").glob("**/js/*.js"))
MOST_LINES = 300

# Each library, and the modules or packages that may import it. One home means one file to change
# when the library does.
HOMES = {
    "aiohttp": {
        "gateway.backends.openai_client",
        "gateway.__main__",
        "gateway.app",
        "gateway.commands",
        "gateway.dev",
        "gateway.selftest",
        "gateway.serve",
        "gateway.web",
    },
    "aiopg": {"gateway.backends.postgres"},
    "msgspec": {"gateway"},
    "openai": {"gateway.backends.openai_client"},
    "prometheus_client": {"gateway.web.metrics"},
    "psycopg2": {"gateway.backends.postgres"},
    "pythonjsonlogger": {"gateway.logs"},
    "redis": {"gateway.backends.redis_link"},
    "tiktoken": {"gateway.backends.tokens"},
    "yarl": {"gateway.backends.openai_client"},
}


def test_libraries_stay_in_their_homes() -> None:
    """Every import of a library is in a module that HOMES allows; a new library is added there first."""
    strangers = [
        f"{_name(file)} imports {library}"
        for file in MODULES
        for library in sorted(_libraries(file))
        if not _lives_in(_name(file), HOMES.get(library, set()))
    ]
    assert strangers == []


def test_files_are_short() -> None:
    """No file of ours is longer than anyone can keep in mind."""
    assert MODULES
    lengths = {file: len(file.read_text().splitlines()) for file in (*MODULES, *SCRIPTS)}
    too_long = [f"{_path(file)}: {lines}" for file, lines in lengths.items() if lines > MOST_LINES]
    assert too_long == []


def test_modules_open_with_a_sentence() -> None:
    """Every module says first, in one line, what it is for."""
    silent = [_path(file) for file in MODULES if not _opening(file).endswith((".", "!", "?"))]
    assert silent == []


def _libraries(file: Path) -> set[str]:
    tops = {name.partition(".")[0] for name in _imports(ast.parse(file.read_text()))}
    return tops - sys.stdlib_module_names - {"gateway"}


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module


def _lives_in(name: str, homes: set[str]) -> bool:
    return any(f"{name}.".startswith(f"{home}.") for home in homes)


def _name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _path(file: Path) -> str:
    return str(file.relative_to(ROOT))


def _opening(file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(file.read_text())) or ""
    return docstring.partition("\n")[0]
