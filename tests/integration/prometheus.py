"""A real Prometheus, from Debian's package, that scrapes a gateway."""

import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml

from gateway.dev.embedded_server import EmbeddedServer
from tests.integration.gateway_process import free_port

ROOT = Path(__file__).parents[2]
# Kept from one run to the next; `make clean` removes it.
FOLDER = ROOT / ".dev" / "prometheus"
DOWNLOAD_SECONDS = 300.0
# So often, that two of them are there at once.
SCRAPE_INTERVAL = "250ms"
JOB = "report-chat-gateway"


class Prometheus(msgspec.Struct, frozen=True):
    """Where it answers."""

    url: str

    async def ask(self, path: str, **query: str) -> Any:
        """Return the data of a call of its API; fails where that is an error."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.url}/api/v1/{path}", params=query) as response,
        ):
            answer = await response.json()
        assert answer["status"] == "success", answer["error"]
        return answer["data"]

    async def value(self, expression: str) -> list[Any]:
        """Return the series of an expression as it is now."""
        series: list[Any] = (await self.ask("query", query=expression))["result"]
        return series


@cache
def binary(name: str) -> str:
    """Return `prometheus` or `promtool`, fetched with apt-get where it is missing.

    Skips where that cannot be, but not in CI. Nothing is installed: the package is unpacked beside us.
    """
    unpacked = FOLDER / "usr" / "bin" / name
    found = shutil.which(name) or (str(unpacked) if unpacked.is_file() else None)
    if found is None and shutil.which("apt-get") and shutil.which("dpkg-deb"):
        _fetch()
        found = str(unpacked) if unpacked.is_file() else None
    if found is None:
        assert os.environ.get("CI") != "true", "prometheus is missing and could not be fetched"
        pytest.skip("prometheus is missing and could not be fetched (apt-get download)")
    return found


def promtool(*arguments: str | Path) -> str:
    """Run promtool and return what it says; fails where it finds something."""
    done = subprocess.run(
        [binary("promtool"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@asynccontextmanager
async def running_prometheus(folder: Path, *, ops_url: str) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that scrapes `ops_url` and watches our alerts."""
    port, target = free_port(), ops_url.removeprefix("http://")
    configuration = {
        "global": {"scrape_interval": SCRAPE_INTERVAL, "evaluation_interval": SCRAPE_INTERVAL},
        "rule_files": [str(ROOT / "docs" / "alerts.yaml")],
        "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    server = EmbeddedServer(
        f"http://127.0.0.1:{port}",
        command=[
            binary("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        log=folder / "prometheus.log",
        gentle=signal.SIGTERM,
        ready=lambda _: _is_ready(port),
    )
    await server.start()
    try:
        yield Prometheus(server.url)
    finally:
        await server.stop()


def _fetch() -> None:
    lists = FOLDER / "apt"
    lists.mkdir(parents=True, exist_ok=True)
    # Lists of our own where the system has none: that takes no root, and no lock that others wait for.
    ours = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={lists}"]
    for command in (
        ["apt-get", "download", "prometheus"],
        ["apt-get", *ours, "-o", "APT::Sandbox::User=root", "update"],
        ["apt-get", *ours, "download", "prometheus"],
    ):
        _run(*command)
        if packages := sorted(FOLDER.glob("prometheus_*.deb")):
            _run("dpkg-deb", "-x", str(packages[-1]), str(FOLDER))
            for package in packages:
                package.unlink()
            break
    shutil.rmtree(lists)


def _run(*command: str) -> None:
    subprocess.run(
        command,
        cwd=FOLDER,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=DOWNLOAD_SECONDS,
        check=False,
    )


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
