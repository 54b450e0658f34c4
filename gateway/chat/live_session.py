"""A session somebody watches or whose turn runs, in this process."""

import asyncio
from typing import Protocol

from gateway.chat.codes import Locale
from gateway.chat.frames import Budget, BudgetName, Notice, NoticeCode
from gateway.chat.ports import Timer
from gateway.chat.pricing import usd
from gateway.chat.reading import Reading
from gateway.chat.records import Message, Session
from gateway.chat.rules import Rules
from gateway.chat.turn import Turn

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

    __slots__ = (
        "_warned",
        "active",
        "announced",
        "grace",
        "id",
        "locale",
        "report",
        "spent_nano",
        "system",
        "unsaved",
        "viewers",
    )

    def __init__(self, record: Session, *, system: Message) -> None:
        self.id = record.id
        self.report = record.report
        self.system = system
        self.spent_nano = record.spent_nano
        self.locale = Locale.KO
        # One or two: a set would be three times as big.
        self.viewers: list[Viewer] = []
        self._warned: frozenset[BudgetName] = frozenset()
        self.active: Reading | None = None
        self.announced: Turn | None = None
        self.grace: Timer | None = None
        # The save of the last turn, while it is not durable yet.
        self.unsaved: asyncio.Task[bool] | None = None

    def stop_grace(self) -> None:
        """Note that somebody watches again, or that nothing runs any more."""
        if self.grace is not None:
            self.grace.cancel()
            self.grace = None

    def announce(self, turn: Turn) -> None:
        """Show a turn to everybody who watches."""
        self.announced = turn
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
                self._warned |= {name}
                for viewer in self.viewers:
                    viewer.notify(Notice(code=NoticeCode.BUDGET_LOW, budget=name))

    def budget(self, rules: Rules) -> Budget:
        """Return what the session may spend and has spent."""
        return Budget(
            request_usd=usd(rules.request_nano),
            session_usd=usd(rules.session_nano),
            session_spent_usd=usd(self.spent_nano),
        )
