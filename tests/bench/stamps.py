"""The time at which a chunk was written, as the chunk's text.

The monotonic clock is one for all processes of a machine, so whoever receives the text knows its age. Nine
digits are three tokens to the gateway's meter, about what a word is.
"""

import re
import time
from collections.abc import Iterator

DIGITS = 9
# Microseconds; a delay must be shorter than this.
ROUND = 10**DIGITS
# What the frames of all that are measured have around a chunk's text, or that of several together.
_TEXT = re.compile(rb'"(?:text|content)": ?"(\d+)"')


def now() -> bytes:
    """Return the time in microseconds, always of the same length."""
    return b"%09d" % (time.monotonic_ns() // 1000 % ROUND)


def ages(frame: bytes) -> Iterator[int]:
    """Yield for each stamp in a frame how many microseconds ago it was made."""
    found = _TEXT.search(frame)
    if found is None:
        return
    moment = time.monotonic_ns() // 1000
    text = found[1]
    for start in range(0, len(text), DIGITS):
        yield (moment - int(text[start : start + DIGITS])) % ROUND
