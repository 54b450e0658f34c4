"""Own a server process: start it, stop it, kill it, and see that it does not outlive us."""

import asyncio
import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.chat.errors import ConfigError

# A start takes half a second; the recovery of a database that was killed may take longer.
START_SECONDS = 30.0
# A Postgres whose parent was killed leaves its data to the next one after a moment: within 2 s.
START_ATTEMPTS = 10
RETRY_SECONDS = 0.2
# Both stop within a second. What does not is killed, and recovers at its next start.
STOP_SECONDS = 5.0
# Short against a start, long against the price of a look.
POLL_SECONDS = 0.02

PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Loaded here: between fork and exec is no time to load a library.
_libc = ctypes.CDLL(None)


class EmbeddedServer:
    """A server process that is ours alone.

    Not an asyncio subprocess: that belongs to one event loop, and each test has its own. `ready` is
    asked with the process id whether the server answers; `user` is who it runs as, None for us.
    """

    def __init__(
        self,
        url: str,
        *,
        command: Sequence[str],
        log: Path,
        gentle: signal.Signals,
        ready: Callable[[int], bool],
        user: pwd.struct_passwd | None = None,
    ) -> None:
        self.url = url
        self._command = command
        self._log = log
        self._gentle = gentle
        self._ready = ready
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "started"
        return self._process.pid

    async def start(self) -> None:
        """Start and return once it answers; raises `ConfigError`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                for _ in range(START_ATTEMPTS):
                    if await self._came_up():
                        return
                    await asyncio.sleep(RETRY_SECONDS)
        self.kill()
        name = Path(self._command[0]).name
        raise ConfigError(f"{name} does not start; it says why in {self._log}")

    async def stop(self) -> None:
        """Stop gently, or by force after `STOP_SECONDS`."""
        if self._process is None:
            return
        self._process.send_signal(self._gentle)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    # Nothing would tell us that it ended.
                    while self._process.poll() is None:  # noqa: ASYNC110
                        await asyncio.sleep(POLL_SECONDS)
        finally:
            # Also when we are cancelled meanwhile: nothing of ours stays behind.
            self.kill()

    def kill(self) -> None:
        """Kill it, as a crash would, and wait for that, which takes no time."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def _came_up(self) -> bool:
        process = self._process = self._spawn()
        while process.poll() is None:
            if self._ready(process.pid):
                return True
            await asyncio.sleep(POLL_SECONDS)
        return False

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=self._user.pw_uid if self._user else None,
                group=self._user.pw_gid if self._user else None,
                extra_groups=[] if self._user else None,
                # Out of the terminal's reach: Ctrl-C is for us, and we stop our servers last.
                start_new_session=True,
                preexec_fn=_die_with(os.getpid(), self._gentle),
            )


def _die_with(parent: int, gentle: signal.Signals) -> Callable[[], None] | None:
    """Return what makes the kernel send `gentle` when the thread that starts the process ends."""
    if sys.platform != "linux":
        return None

    def before_exec() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(gentle))
        if os.getppid() != parent:
            # Killed between fork and here: too late for the signal.
            os._exit(1)

    return before_exec
