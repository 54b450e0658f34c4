"""What a log formatter makes of what loggers say."""

import io
import json
import logging
from typing import Any


class Recorder:
    """Loggers with one formatter, and what they wrote."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self._stream = io.StringIO()
        self._handler = logging.StreamHandler(self._stream)
        self._handler.setFormatter(formatter)

    def logger(self, name: str = "gateway.some.module") -> logging.Logger:
        """Return a logger that is heard by nobody else."""
        # Not getLogger: that one would be shared, and heard by whoever listens at the root.
        logger = logging.Logger(name, level=logging.DEBUG)  # noqa: LOG001
        logger.addHandler(self._handler)
        return logger

    @property
    def text(self) -> str:
        """All that was written."""
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every line as the object it is."""
        return [json.loads(line, parse_constant=_refuse) for line in self.text.splitlines()]

    @property
    def line(self) -> dict[str, Any]:
        """The only line."""
        (line,) = self.lines
        return line


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
