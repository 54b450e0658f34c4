"""The sessions somebody is looking at: who watches, and which turn runs."""

import asyncio
import hashlib
import secrets
from typing import Protocol
from uuid import UUID

from gateway.chat.codes import Locale
from gateway.chat.context import system_message
from gateway.chat.frames import (
    FRAME_BYTES,
    ActiveTurn,
    Budget,
    BudgetName,
    Hello,
    Limits,
    Notice,
    NoticeCode,
    Ready,
    ReportInfo,
    TurnView,
    encode,
)
from gateway.chat.guard import Stop
from gateway.chat.ports import Clock, Store, Timer, Tokenizer
from gateway.chat.pricing import usd
from gateway.chat.reading import Reading
from gateway.chat.records import Message, Session
from gateway.chat.rules import Rules
from gateway.chat.turn import Turn, stored_turn, turn_view

# 256 bits; only its hash is stored, so a stolen database opens no session.
TOKEN_BYTES = 32
# What `ready` may spend of a frame on stored turns; the rest is for the report and the limits.
TURNS_BYTES = FRAME_BYTES - 16_384


# The share of a budget that is worth a warning.
LOW_PERCENT = 80


class Viewer(Protocol):
    """A connection that watches a session."""

    def watch(self, turn: Turn) -> None:
        """Follow `turn` from its start, unless it is being followed already."""
        ...

    def notify(self, notice: Notice) -> None:
        """Show `notice` after what is being shown."""
        ...


class LiveSession:
    """A session with at least one viewer or a running turn, in this process."""

    def __init__(self, record: Session, *, system: Message) -> None:
        self.id = record.id
        self.report = record.report
        self.system = system
        self.spent_nano = record.spent_nano
        self.locale = Locale.KO
        self.viewers: set[Viewer] = set()
        self._warned: set[BudgetName] = set()
        self.active: Reading | None = None
        self.grace: Timer | None = None
        # The save of the last turn, while it is not durable yet.
        self.unsaved: asyncio.Task[None] | None = None

    def announce(self, turn: Turn) -> None:
        """Show a turn to everybody who watches."""
        for viewer in self.viewers:
            viewer.watch(turn)

    def warn_if_low(self, day_spent_nano: int, *, rules: Rules) -> None:
        """Tell everybody who watches, once, that the session's or the day's budget is nearly used up."""
        spent = {
            BudgetName.SESSION: (self.spent_nano, rules.session_nano),
            BudgetName.DAY: (day_spent_nano, rules.day_nano),
        }
        for name, (used, cap) in spent.items():
            if used * 100 >= cap * LOW_PERCENT and name not in self._warned:
                self._warned.add(name)
                for viewer in self.viewers:
                    viewer.notify(Notice(code=NoticeCode.BUDGET_LOW, budget=name))

    def budget(self, rules: Rules) -> Budget:
        """Return what the session may spend and has spent."""
        return Budget(
            request_usd=usd(rules.request_nano),
            session_usd=usd(rules.session_nano),
            session_spent_usd=usd(self.spent_nano),
        )


class Sessions:
    """Opens sessions by token and forgets them when nobody watches and nothing runs."""

    def __init__(self, store: Store, *, tokenizer: Tokenizer, clock: Clock, rules: Rules) -> None:
        self._store = store
        self._tokenizer = tokenizer
        self._clock = clock
        self._rules = rules
        self._live: dict[UUID, LiveSession] = {}

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
        turns = await self._store.last_turns(record.id, limit=self._rules.history_messages)
        # No await from here on: the viewer must miss no turn between its `ready` and its joining.
        session = self._live.get(record.id)
        if session is None:
            system = system_message(record.report, count=self._tokenizer.count)
            session = self._live[record.id] = LiveSession(record, system=system)
        session.locale = locale_of(hello.locale)
        session.viewers.add(viewer)
        if session.grace is not None:
            session.grace.cancel()
            session.grace = None
        budget = session.budget(self._rules)
        views = [turn_view(t, locale=session.locale, budget=budget) for t in turns]
        return session, self._ready(session, token=token, turns=_that_fit(views))

    def leave(self, session: LiveSession, *, viewer: Viewer) -> None:
        """Take `viewer` away; a turn nobody watches any more has its grace left."""
        session.viewers.discard(viewer)
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
        session.active = None
        if session.grace is not None:
            session.grace.cancel()
            session.grace = None
        if not session.viewers:
            self._live.pop(session.id, None)

    async def find_turn(self, session: LiveSession, turn_id: UUID) -> Turn:
        """Return a turn of the session, running or stored; raises `UnknownTurn`, `StorageUnavailable`."""
        if session.active is not None and session.active.turn.id == turn_id:
            return session.active.turn
        stored = await self._store.find_turn(session.id, turn_id)
        return stored_turn(stored, locale=session.locale, budget=session.budget(self._rules))

    def running(self) -> list[Reading]:
        """Return every running turn."""
        return [s.active for s in self._live.values() if s.active is not None]

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


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _that_fit(views: list[TurnView]) -> tuple[TurnView, ...]:
    room = TURNS_BYTES
    for index in range(len(views) - 1, -1, -1):
        room -= len(encode(views[index])) + 1
        if room < 0:
            return tuple(views[index + 1 :])
    return tuple(views)
