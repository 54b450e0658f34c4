"""A gateway.ini to read, and the one line that says what is wrong with it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.chat.errors import ConfigError
from gateway.config import load

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
