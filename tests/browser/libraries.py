"""The npm packages that only tests need; `npm ci --ignore-scripts` installs them."""

import os
from pathlib import Path

import pytest

INSTALLED = Path(__file__).parents[2] / "node_modules"


def source(path: str) -> str:
    """Return a file of node_modules; its absence is a failure in CI, a skip elsewhere."""
    return _installed(path).read_text("utf-8")


def executable(name: str) -> Path:
    """Return a command of node_modules; its absence is a failure in CI, a skip elsewhere."""
    return _installed(f".bin/{name}")


def _installed(path: str) -> Path:
    file = INSTALLED / path
    if not file.is_file():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{path} is not installed: npm ci --ignore-scripts")
        pytest.skip(f"{path} is not installed: npm ci --ignore-scripts")
    return file
