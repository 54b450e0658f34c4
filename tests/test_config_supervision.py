"""What systemd expects of the process is read from the environment; nonsense is told in one line."""

import pytest

from gateway.chat.errors import ConfigError
from gateway.config import Supervision, supervision


def test_supervision() -> None:
    """What systemd tells a service of type notify is read."""
    environ = {
        "NOTIFY_SOCKET": "/run/systemd/notify",
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": "7",
    }

    assert supervision(environ, pid=7) == Supervision(
        address="/run/systemd/notify", watchdog_seconds=30.0
    )


@pytest.mark.parametrize("environ", [{}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "7"}])
def test_no_supervision(environ: dict[str, str]) -> None:
    """Without systemd, or where it means another process, nothing is expected of us."""
    assert supervision(environ, pid=8) == Supervision(address="", watchdog_seconds=0)


@pytest.mark.parametrize("time", ["soon", "-1", "1.5", "²"])
def test_bad_supervision(time: str) -> None:
    """A watchdog time that is none is told."""
    with pytest.raises(ConfigError) as caught:
        supervision({"WATCHDOG_USEC": time}, pid=7)

    assert str(caught.value) == "WATCHDOG_USEC: expected microseconds"
