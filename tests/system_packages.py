"""Programs that the tests run and that are not Python's, from Debian's packages."""

import os
import shutil
import subprocess
from pathlib import Path

# One at a time, whichever suite asks: it gives up where another holds its lock.
APT_GET = Path(__file__).parent / "apt-get"
INSTALL_SECONDS = 300.0


def install(package: str) -> None:
    """Install `package`; where that cannot be, whoever looks for it afterwards says so."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    # RUNLEVEL: so that no package starts a server of its own (invoke-rc.d(8)).
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
        subprocess.run(
            [APT_GET, *command],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=INSTALL_SECONDS,
            check=False,
        )
