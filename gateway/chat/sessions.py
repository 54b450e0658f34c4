"""Open sessions by token, and keep those that somebody watches or whose turn runs."""

import hashlib
import secrets
from functools import lru_cache
from uuid import UUID

import msgspec

from gateway.chat.codes import Locale
from gateway.chat.context import system_message
from gateway.chat.frames import (
    FRAME_BYTES,
    ActiveTurn,
    Hello,
    Limits,
    Notice,
    Ready,
    ReportInfo,
    TurnView,
    encode,
)
from gateway.chat.guard import Stop
from gateway.chat.live_session import LiveSession, Viewer
from gateway.chat.ports import Clock, Store, Tokenizer
from gateway.chat.reading import Reading
from gateway.chat.records import Session, StoredTurn, TurnState
from gateway.chat.rules import Rules
from gateway.chat.turn import Turn, turn_view

# 256 bits; only its hash is stored, so a stolen database opens no session.
TOKEN_BYTES = 32
# Reports whose texts are kept for all their sessions together.
SHARED_REPORTS = 256
# What `ready` may spend of a frame on stored turns; the rest is for the report and the limits.
TURNS_BYTES = FRAME_BYTES - 16_384


class _Arriving:
    """Somebody who is about to watch, and will be told what has begun by then."""

    def watch(self, turn: Turn) -> None:
        """Nothing: the session knows what was announced."""

    def notify(self, notice: Notice) -> None:
        """Nothing: it is for who was there."""


class Sessions:
    """Opens sessions by token and forgets them when nobody watches and nothing runs."""

    def __init__(self, store: Store, *, tokenizer: Tokenizer, clock: Clock, rules: Rules) -> None:
        self._store = store
        self._tokenizer = tokenizer
        self._clock = clock
        self._rules = rules
        self._live: dict[UUID, LiveSession] = {}
        # Thousands may talk about one report: its texts are kept, and counted, once (8 KB a session).
        self._shared = lru_cache(maxsize=SHARED_REPORTS)(
            lambda report: (report, system_message(report, count=tokenizer.count))
        )

    def __len__(self) -> int:
        return len(self._live)

    async def enter(self, hello: Hello, *, viewer: Viewer) -> tuple[LiveSession, Ready]:
        """Open or find the session of `hello`, add `viewer`, and return it with its `ready`.

        Raises `SessionNotFound`, `ReportNotFound` and `StorageUnavailable`.
        """
        if hello.session is None:
            token = secrets.token_urlsafe(TOKEN_BYTES)
            record = await self._store.open_session(_hash(token), report_id=hello.report_id)
        else:
            token = hello.session
            record = await self._store.find_session(_hash(token))
        # Somebody watches from here on: of a turn that begins elsewhere only those are told, and only once.
        arriving = _Arriving()
        session = self._attend(record, locale=hello.locale, viewer=arriving)
        try:
            turns = await self._store.last_turns(record.id, limit=self._rules.history_messages)
            # No await from here on: the viewer must miss no turn between its `ready` and its joining.
            self.join(session, viewer=viewer)
        finally:
            self.leave(session, viewer=arriving)
        views = [self.view(session, turn) for turn in turns]
        begun = session.announced
        if begun is not None and begun.end is None and begun.id not in {t.id for t in turns}:
            # It began after the store was asked.
            viewer.watch(begun)
        return session, self._ready(session, token=token, turns=_that_fit(views))

    async def attend(self, token: str, *, locale: str | None, viewer: Viewer) -> LiveSession:
        """Find the session of `token` and add `viewer`; raises `SessionNotFound`, `StorageUnavailable`."""
        record = await self._store.find_session(_hash(token))
        return self._attend(record, locale=locale, viewer=viewer)

    def find(self, session_id: UUID) -> LiveSession | None:
        """Return a session that is open in this process."""
        return self._live.get(session_id)

    async def turns_after(
        self, session: LiveSession, *, number: int, limit: int
    ) -> tuple[TurnView, ...]:
        """Return the first `limit` stored turns numbered above `number`; raises `StorageUnavailable`."""
        turns = await self._store.turns_after(session.id, number=number, limit=limit)
        return tuple(self.view(session, turn) for turn in turns)

    async def turns_before(
        self, session: LiveSession, *, number: int, limit: int
    ) -> tuple[TurnView, ...]:
        """Return the last `limit` stored turns numbered below `number`; raises `StorageUnavailable`."""
        turns = await self._store.last_turns(session.id, limit=limit, before=number)
        return tuple(self.view(session, turn) for turn in turns)

    def view(self, session: LiveSession, turn: StoredTurn) -> TurnView:
        """Return a stored turn as clients see it."""
        given_up = turn.state is TurnState.INTERRUPTED
        if given_up and session.active is not None and session.active.turn.id == turn.id:
            turn = _running(turn)
        return turn_view(turn, locale=session.locale, budget=session.budget(self._rules))

    def join(self, session: LiveSession, *, viewer: Viewer) -> None:
        """Add `viewer`; a turn that was left alone is watched again."""
        if viewer not in session.viewers:
            session.viewers.append(viewer)
        session.stop_grace()

    def leave(self, session: LiveSession, *, viewer: Viewer) -> None:
        """Take `viewer` away; a turn nobody watches any more has its grace left."""
        if viewer in session.viewers:
            session.viewers.remove(viewer)
        if session.viewers or session.grace is not None:
            return
        if session.active is None:
            self._live.pop(session.id, None)
            return
        running = session.active
        session.grace = self._clock.call_at(
            self._clock.time() + self._rules.grace_seconds,
            lambda: running.deadlines.stop(Stop.ABANDONED),
        )

    def release(self, session: LiveSession) -> None:
        """Note that the session's turn has ended."""
        session.active = session.announced = None
        session.stop_grace()
        if not session.viewers:
            self._live.pop(session.id, None)

    def running(self) -> list[tuple[LiveSession, Reading]]:
        """Return every running turn with its session."""
        return [(s, s.active) for s in self._live.values() if s.active is not None]

    def _attend(self, record: Session, *, locale: str | None, viewer: Viewer) -> LiveSession:
        session = self._live.get(record.id)
        if session is None:
            report, system = self._shared(record.report)
            record = msgspec.structs.replace(record, report=report)
            session = self._live[record.id] = LiveSession(record, system=system)
        # What other processes spent meanwhile is in the store.
        session.spent_nano = record.spent_nano
        session.locale = locale_of(locale)
        self.join(session, viewer=viewer)
        return session

    def _ready(self, session: LiveSession, *, token: str, turns: tuple[TurnView, ...]) -> Ready:
        rules, report = self._rules, session.report
        return Ready(
            session=token,
            session_id=session.id,
            report=ReportInfo(id=report.id, headline=report.headline, summary=report.summary)
            if report
            else None,
            model=rules.model,
            simulated=rules.simulated,
            key_configured=rules.key_configured,
            limits=Limits(
                message_chars=rules.message_chars,
                frame_bytes=FRAME_BYTES,
                turn_seconds=rules.turn_seconds,
                history_messages=rules.history_messages,
            ),
            budget=session.budget(rules),
            suggestions=report.suggestions if report else (),
            turns=turns,
            # Of the store, not of this process: a turn that ended meanwhile is resumed to its end.
            active_turn=next((ActiveTurn(t.turn_id) for t in turns if t.end is None), None),
        )


def locale_of(name: str | None) -> Locale:
    """Return the language a client asked for, Korean where it is not one of ours."""
    return Locale.EN if name is not None and name.lower().startswith("en") else Locale.KO


def _running(turn: StoredTurn) -> StoredTurn:
    # The store could not hear its process, which is this one.
    state = TurnState.STREAMING if turn.partial.pieces else TurnState.ACCEPTED
    return msgspec.structs.replace(turn, state=state, outcome=None)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _that_fit(views: list[TurnView]) -> tuple[TurnView, ...]:
    room = TURNS_BYTES
    for index in range(len(views) - 1, -1, -1):
        room -= len(encode(views[index])) + 1
        if room < 0:
            return tuple(views[index + 1 :])
    return tuple(views)
