"""The wheel is complete, the same from a source distribution, and works far from the checkout."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import aiohttp
import pytest

from tests.chat_client import ChatClient, Frame

ROOT = Path(__file__).parents[1]
# What a build reads.
SOURCES = (
    "gateway",
    "migrations",
    "static",
    "CHANGELOG.md",
    "LICENSE",
    "MANIFEST.in",
    "README.md",
    "pyproject.toml",
    "setup.cfg",
)
BYTECODE = shutil.ignore_patterns("__pycache__")
WHERE = """
import gateway
from gateway.backends.tokens import Tokenizer
from gateway.resources import migrations_folder, static_folder
print(gateway.__version__)
print(static_folder(), migrations_folder(), sep="\\n")
print(Tokenizer().count("one two"))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel in a copy of the checkout, where nothing of an earlier build can slip in."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=BYTECODE)
        else:
            shutil.copy(ROOT / name, copy / name)
    # By way of a source distribution, and straight.
    _python("-m", "build", "--no-isolation", "--outdir", "from-sdist", cwd=copy)
    _python("-m", "build", "--no-isolation", "--wheel", "--outdir", "straight", cwd=copy)
    (from_sdist,) = (copy / "from-sdist").glob("*.whl")
    (straight,) = (copy / "straight").glob("*.whl")
    assert _files(from_sdist) == _files(straight)
    return from_sdist


def test_everything_is_inside(wheel: Path) -> None:
    """Every file of the package, the page and the migrations is in the wheel, in its place."""
    expected = {
        *_below(ROOT / "gateway", "gateway"),
        *_below(ROOT / "static", "gateway/static"),
        *_below(ROOT / "migrations", "gateway/migrations"),
    }
    assert "gateway/static/index.html" in expected
    inside = {name for name in _files(wheel) if name.startswith("gateway/")}
    # The type checker's settings are not a part of the page.
    assert inside == expected - {"gateway/static/jsconfig.json"}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a new environment and return its folder of commands."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv")
    python = folder / "venv" / "bin" / "python"
    wanted = (str(wheel), "--constraint", str(ROOT / "requirements.lock"))
    try:
        # It has all of this in its cache, and pip takes half a minute of the processor.
        _python("-m", "uv", "pip", "install", "--python", str(python), *wanted, cwd=folder)
    except AssertionError:
        # Where only pip.conf knows the way, as in the Makefile.
        pip_install = ("-m", "pip", "--python", str(python), "install", "--no-compile")
        _python(*pip_install, *wanted, cwd=folder)
    return python.parent


def test_works_outside_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    """Installed into a new environment, the command runs and finds its page, migrations and data."""
    assert "usage: gateway" in _run(str(installed / "gateway"), "--help", cwd=tmp_path)

    told = _run(str(installed / "python"), "-c", WHERE, cwd=tmp_path)
    version, static, migrations, tokens = told.splitlines()
    assert version == "0.1.0"
    assert (Path(static) / "index.html").is_file()
    assert list(Path(migrations).glob("*.sql"))
    home = installed.parents[1]
    assert all(Path(folder).is_relative_to(home) for folder in (static, migrations))
    assert tokens == "2"


def test_a_trial_answers_outside_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    """`gateway dev` of the wheel serves its page and answers a question about a sample report."""
    with subprocess.Popen(
        (installed / "gateway", "dev", "--port", "0"),
        cwd=tmp_path,
        # Another trial may have the port of the operators.
        env=_environment() | {"GATEWAY_SERVER_OPS_PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as trial:
        assert trial.stdout is not None
        url = next(line for line in trial.stdout if "http://" in line).split()[3]
        try:
            frames = asyncio.run(_ask(url))
        finally:
            trial.send_signal(signal.SIGINT)
    assert frames[-1]["type"] == "done"
    assert trial.returncode == 0


async def _ask(url: str) -> list[Frame]:
    async with aiohttp.ClientSession() as session, session.get(url) as page:
        assert "<title>" in await page.text()
    async with ChatClient.connect(url, report_id="saesol-2026q3") as client:
        return await client.ask("요약해 줘")


def _below(folder: Path, name: str) -> set[str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {
        f"{name}/{file.relative_to(folder)}" for file in files if "__pycache__" not in file.parts
    }


def _files(wheel: Path) -> dict[str, int]:
    """Return the names of the files in a wheel and their checksums, but for the list of them."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            info.filename: info.CRC
            for info in archive.infolist()
            if not info.filename.endswith("/RECORD")
        }


def _python(*arguments: str, cwd: Path) -> str:
    return _run(sys.executable, *arguments, cwd=cwd)


def _environment() -> dict[str, str]:
    # Neither this checkout, nor a measurement of it, nor somebody's key follows us.
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "COV_", "COVERAGE_", "OPENAI_"))
    }


def _run(*command: str, cwd: Path) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
