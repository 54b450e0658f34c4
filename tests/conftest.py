"""The log of the whole run, as the gateway would write it: what people said is nowhere in it."""

import logging
import tempfile
from pathlib import Path

import pytest

from gateway.logs import AllowListFormatter
from tests.canary import hits_in

LOG = pytest.StashKey[Path]()
HITS = pytest.StashKey[list[str]]()


class RunLog(logging.FileHandler):
    """Writes every record of the run, at the level that tells most, to a file of its own."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, encoding="utf-8")
        self.setFormatter(AllowListFormatter())

    def attach(self) -> None:
        """Listen to all loggers; again where a test has configured logging."""
        root = logging.getLogger()
        if self not in root.handlers:
            root.addHandler(self)
        root.setLevel(logging.DEBUG)


def pytest_configure(config: pytest.Config) -> None:
    """Begin the log before anything is imported that could log."""
    file = Path(tempfile.mkdtemp(prefix="gateway-log-")) / "run.log"
    config.stash[LOG] = file
    config.pluginmanager.register(Attaching(RunLog(file)))


class Attaching:
    """Keeps the handler attached from test to test."""

    def __init__(self, handler: RunLog) -> None:
        self._handler = handler
        handler.attach()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Attach the handler where the last test took it away."""
        self._handler.attach()

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Close and remove the log."""
        logging.getLogger().removeHandler(self._handler)
        self._handler.close()
        config.stash[LOG].unlink(missing_ok=True)
        config.stash[LOG].parent.rmdir()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if anything leaked."""
    session.config.stash[HITS] = hits_in(session.config.stash[LOG])
    if session.config.stash[HITS]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what leaked."""
    leaked = config.stash.get(HITS, [])
    if leaked:
        terminalreporter.section("What people wrote is in the log", red=True, bold=True)
        for line in leaked[:20]:
            terminalreporter.write_line(line)


@pytest.fixture
def run_log(request: pytest.FixtureRequest) -> Path:
    """The log of the whole run so far."""
    return request.config.stash[LOG]
