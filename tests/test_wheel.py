"""The wheel is complete, the same from a source distribution, and works far from the checkout."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

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


def test_works_outside_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Installed into a new environment, the command runs and finds its page, migrations and data."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    pip_install = (python, "-m", "pip", "install", "--quiet", "--no-compile")
    _run(*pip_install, str(wheel), "--constraint", str(ROOT / "requirements.lock"), cwd=tmp_path)

    command = str(tmp_path / "venv" / "bin" / "gateway")
    assert "usage: gateway" in _run(command, "--help", cwd=tmp_path)

    version, static, migrations, tokens = _run(python, "-c", WHERE, cwd=tmp_path).splitlines()
    assert version == "0.1.0"
    assert (Path(static) / "index.html").is_file()
    assert list(Path(migrations).glob("*.sql"))
    assert all(Path(folder).is_relative_to(tmp_path) for folder in (static, migrations))
    assert tokens == "2"


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


def _run(*command: str, cwd: Path) -> str:
    # Neither this checkout nor a measurement of it follows us.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "COV_", "COVERAGE_"))
    }
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
