"""Frames that nobody of good will sends, made up by chance, the same ones every time."""

import json
import random
import string
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from aiohttp import WSMsgType
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.chat.frames import FRAME_BYTES


class Sent(NamedTuple):
    """A frame as it travels."""

    kind: WSMsgType
    data: bytes


# Our frames, and what each must have.
TYPES: dict[str, tuple[str, ...]] = {
    "hello": (),
    "message": ("id", "text"),
    "cancel": ("turn_id",),
    "resume": ("turn_id", "after"),
    "ping": (),
}
STRANGE = ("ready", "delta", "done", "error", "Hello", "", "ping ", "__class__", "message\n")
FIELDS = (
    *("id", "text", "turn_id", "after", "session", "report_id", "locale", "traceparent"),
    *("regenerate_of", "type", "__proto__", "x", ""),
)
ALPHABETS = (
    string.ascii_letters,
    string.printable,
    "가나다라마바사 요약해줘?",
    "🙂👩‍👩‍👧‍👦é\u0301\u200f\u2028\ufeff\uffff",
    '"\\{}[]:,',
    "\x00\x01\x1b\x7f",
    "\ud800\udfff",
    "<|endoftext|>",
)
# Opening and closing, so that what is deep can be well formed.
BRACKETS = (("[", "]"), ('{"a":', "}"), ('{"type":"ping","x":[', "]}"))


# Drawn one by one, frames would mostly be small variations of each other; so hypothesis draws the chance, and
# chance makes so many of each.
OF_EACH = 20


def any_frames(count: int) -> list[Sent]:
    """Return so many frames, drawn by hypothesis, the same ones every time."""
    frames = list[Sent]()

    @settings(
        max_examples=-(-count // OF_EACH),
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    @given(st.randoms(use_true_random=True, note_method_calls=False))
    def draw(chance: random.Random) -> None:
        make = _Maker(chance)
        frames.extend(make.frame() for _ in range(OF_EACH))

    while len(frames) < count:
        draw()
    return frames[:count]


class _Maker:
    """Makes frames, by chance."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def frame(self) -> Sent:
        """Return a frame of any kind, most often text that is nearly one of ours."""
        roll = self._chance.random()
        if roll < 0.04:
            return Sent(WSMsgType.BINARY, self._bytes(200))
        if roll < 0.08:
            return Sent(WSMsgType.TEXT, self._bytes(200))
        if roll < 0.12:
            return Sent(self._chance.choice((WSMsgType.PING, WSMsgType.PONG)), self._bytes(125))
        text = self._chance.choices(
            (self._near, self._json, self._broken, self._extreme, self._text), (5, 2, 2, 1, 1)
        )[0]()
        return Sent(WSMsgType.TEXT, text.encode("utf-8", "surrogatepass"))

    def _near(self) -> str:
        """Spell an object that is one of our frames, or nearly one."""
        kind = self._chance.choice([*TYPES])
        frame: dict[str, Any] = {"type": kind}
        if self._chance.random() < 0.7:
            frame |= {name: self._good(name) for name in TYPES[kind]}
        if self._chance.random() < 0.1:
            frame["type"] = self._chance.choice((*STRANGE, self._value()))
        for name in self._chance.sample(FIELDS, self._chance.choice((0, 0, 1, 2, 4))):
            frame[name] = self._good(name) if self._chance.random() < 0.7 else self._value()
        return self._spelled(frame)

    def _json(self) -> str:
        return self._spelled(self._value())

    def _broken(self) -> str:
        """Spell something as JSON, and break it."""
        text = self._near()
        at = self._chance.randint(0, len(text))
        ways: tuple[Callable[[], str], ...] = (
            lambda: text[:at],
            lambda: text[:at] + self._text() + text[at:],
            lambda: text[:at] + text[at + 1 :],
            lambda: text + self._near(),
            lambda: text.replace('"', "'"),
            # The same key twice.
            lambda: text.replace("{", '{"type":"ping","text":1,', 1),
            lambda: "\ufeff" + text,
            lambda: text.replace(",", ",,", 1),
            lambda: f"/* */ {text}",
        )
        return self._chance.choice(ways)()

    def _extreme(self) -> str:
        """Make something very deep, very long, or as large as it may be and a little larger."""
        size = self._chance.choice((10, 1_000, 10_000, 20_000)) + self._chance.randint(0, 9)
        digits = "9" * size
        opening, closing = self._chance.choice(BRACKETS)
        ping = '{"type":"ping","x":"%s"}'
        room = FRAME_BYTES - len(ping % "")
        ways: tuple[Callable[[], str], ...] = (
            lambda: opening * size + "1" + closing * size,
            lambda: opening * size,
            lambda: f'{{"type":"resume","turn_id":"{self._id()}","after":{digits}}}',
            lambda: f'{{"type":"resume","turn_id":"{self._id()}","after":1e{digits}}}',
            lambda: f'{{"type":"message","id":"{self._id()}","text":"{digits}"}}',
            lambda: ping % ("x" * (room + self._chance.randint(-2, 2))),
            lambda: ping % ("\\u0000" * size),
        )
        return self._chance.choice(ways)()

    def _good(self, name: str) -> Any:
        match name:
            case "id" | "turn_id" | "regenerate_of":
                return self._id()
            case "after":
                return self._chance.randint(0, 10**6)
            case "report_id":
                return self._chance.choice(("saesol", "none", ""))
            case "locale":
                return self._chance.choice(("ko", "en", "fr"))
        return self._text()

    def _value(self, depth: int = 3) -> Any:
        """Return anything that JSON can spell, or that Python spells as if it could."""
        roll = self._chance.random()
        if depth and roll < 0.2:
            return [self._value(depth - 1) for _ in range(self._chance.randint(0, 4))]
        if depth and roll < 0.4:
            names = (self._chance.choice((*FIELDS, self._text())) for _ in range(3))
            return {name: self._value(depth - 1) for name in names}
        return self._chance.choice(
            (
                *(None, True, False, 0, -1, 1e308, -0.0),
                *(float("nan"), float("inf"), self._chance.random()),
                *(
                    self._chance.randint(-(10**9), 10**9),
                    2**63,
                    -(2**64),
                    10 ** self._chance.randint(1, 60),
                ),
                *(self._text(), self._id()),
            )
        )

    def _text(self) -> str:
        alphabet = self._chance.choice(ALPHABETS)
        return "".join(self._chance.choices(alphabet, k=self._chance.choice((0, 1, 5, 40))))

    def _id(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128)))

    def _bytes(self, most: int) -> bytes:
        return self._chance.randbytes(self._chance.randint(0, most))

    def _spelled(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=self._chance.random() < 0.5)
