"""Where the page, the migrations and the data files are: inside a wheel, beside the code in a checkout."""

from pathlib import Path

PACKAGE = Path(__file__).parent


def static_folder() -> Path:
    """Return the folder of the chat page."""
    return _folder("static")


def migrations_folder() -> Path:
    """Return the folder of the numbered SQL files."""
    return _folder("migrations")


def data_folder() -> Path:
    """Return the folder of the price table and the tokenizer's files."""
    return PACKAGE / "data"


def _folder(name: str) -> Path:
    installed = PACKAGE / name
    return installed if installed.is_dir() else PACKAGE.parent / name
