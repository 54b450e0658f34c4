"""A turn: one question, its answer, and the frames its viewers see."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import assert_never
from uuid import UUID

import msgspec

from gateway.chat.answer import Answer, Cursor, Progress, Slice, Whole
from gateway.chat.codes import CATALOGUE, Locale, describe
from gateway.chat.errors import GatewayError
from gateway.chat.frames import (
    Accept,
    Budget,
    ContextReceipt,
    Delta,
    Done,
    End,
    Error,
    Snapshot,
    Status,
    TurnFrame,
    TurnView,
)
from gateway.chat.pricing import usd
from gateway.chat.records import ContextSource, Outcome, StoredTurn


class Turn:
    """A turn as viewers see it: opened once accepted or refused, closed by exactly one end frame."""

    def __init__(self, turn_id: UUID, *, client_id: UUID, answer: Answer) -> None:
        self.id = turn_id
        self.client_id = client_id
        self.answer = answer
        self._accept: Accept | None = None
        self._end: End | None = None
        self._opened = asyncio.Event()
        self._stands_for: Turn | None = None

    def open(self, accept: Accept) -> None:
        """Let viewers see that the question was taken."""
        self._accept = accept
        self._opened.set()

    def close(self, end: End) -> None:
        """End the turn for its viewers."""
        self._end = end
        self.answer.end()
        self._opened.set()

    @property
    def end(self) -> End | None:
        """The frame the turn ended with, None while it runs."""
        return self._end if self._stands_for is None else self._stands_for.end

    def become(self, other: "Turn") -> None:
        """Stand for a turn that the store turned out to hold already."""
        self._stands_for = other
        self._opened.set()

    async def opened(self) -> None:
        """Wait for the turn to be taken or refused."""
        await self._opened.wait()

    async def accepted(self, *, duplicate: bool = False) -> Accept | None:
        """Wait for the turn to be taken and return the frame that says so, None where it was refused."""
        await self._opened.wait()
        if self._stands_for is not None:
            return await self._stands_for.accepted(duplicate=True)
        if self._accept is None or not duplicate:
            return self._accept
        return msgspec.structs.replace(self._accept, duplicate=True)

    def take(self, cursor: Cursor) -> list[TurnFrame]:
        """Return what the viewer at `cursor` has not been shown yet; the end of an ended turn comes last."""
        turn = self._stands_for or self
        frames = [turn._frame(item) for item in turn.answer.take(cursor)]
        if turn.end is not None:
            frames.append(turn.end)
        return frames

    def holds(self, position: int) -> bool:
        """Return whether a viewer at `position` needs only what comes after it, once the turn is opened."""
        return (self._stands_for or self).answer.holds(position)

    def subscribe(self, reader: Callable[[], None]) -> None:
        """Have `reader` called whenever there may be more to take, once the turn is opened."""
        (self._stands_for or self).answer.subscribe(reader)

    def unsubscribe(self, reader: Callable[[], None]) -> None:
        """Have `reader` called no more."""
        (self._stands_for or self).answer.unsubscribe(reader)

    async def follow(self, after: int = 0) -> AsyncGenerator[TurnFrame, None]:
        """Yield what comes after `accepted`, from position `after` to the turn's end."""
        await self.opened()
        cursor, changed = Cursor(after), asyncio.Event()
        self.subscribe(changed.set)
        try:
            while True:
                changed.clear()
                for frame in self.take(cursor):
                    yield frame
                    if isinstance(frame, Done | Error):
                        return
                await changed.wait()
        finally:
            self.unsubscribe(changed.set)

    def _frame(self, item: Slice | Whole | Progress) -> TurnFrame:
        match item:
            case Slice(start, stop, text):
                return Delta(turn_id=self.id, from_=start, to=stop, text=text)
            case Whole(stop, text):
                return Snapshot(turn_id=self.id, to=stop, text=text)
            case Progress(state, retry_in_ms):
                return Status(turn_id=self.id, state=state, retry_in_ms=retry_in_ms)
            case _:
                assert_never(item)


def refusal(
    error: GatewayError, *, locale: Locale, trace_id: str, client_id: UUID | None = None
) -> Error:
    """Return the frame for an error that no stored turn ended with."""
    entry = CATALOGUE[error.code]
    return Error(
        scope=entry.scope,
        code=error.code,
        message=error.message(locale),
        retryable=entry.retryable,
        retry_after_ms=error.retry_after_ms,
        trace_id=trace_id,
        id=client_id,
    )


def end_frame(
    turn_id: UUID, outcome: Outcome, *, client_id: UUID, locale: Locale, budget: Budget
) -> End:
    """Return the `done` or `error` that tells `outcome`."""
    if outcome.code is not None:
        entry = CATALOGUE[outcome.code]
        return Error(
            scope=entry.scope,
            code=outcome.code,
            message=describe(outcome.code, locale),
            retryable=entry.retryable,
            retry_after_ms=outcome.retry_after_ms,
            trace_id=outcome.trace_id,
            id=client_id,
            turn_id=turn_id,
            to=outcome.pieces,
            usage=outcome.usage,
            cost_usd=usd(outcome.cost_nano),
            cost_source=outcome.cost_source,
            partial=bool(outcome.text),
            budget=budget,
        )
    assert outcome.finish_reason is not None, "an outcome has a code or a finish reason"
    return Done(
        turn_id=turn_id,
        to=outcome.pieces,
        finish_reason=outcome.finish_reason,
        usage=outcome.usage,
        cost_usd=usd(outcome.cost_nano),
        cost_source=outcome.cost_source,
        model=outcome.model,
        ttft_ms=outcome.ttft_ms,
        total_ms=outcome.total_ms,
        shortened=outcome.shortened,
        budget=budget,
        trace_id=outcome.trace_id,
    )


def turn_view(turn: StoredTurn, *, locale: Locale, budget: Budget) -> TurnView:
    """Return a stored turn as `ready` and the HTTP side show it."""
    outcome = turn.outcome
    return TurnView(
        turn_id=turn.id,
        id=turn.client_id,
        n=turn.number,
        question=turn.question,
        text=turn.partial.text,
        to=turn.partial.pieces,
        state=turn.state,
        asked_at=turn.asked_at,
        regenerate_of=turn.regenerate_of,
        end=end_frame(turn.id, outcome, client_id=turn.client_id, locale=locale, budget=budget)
        if outcome
        else None,
    )


def stored_turn(stored: StoredTurn, *, locale: Locale, budget: Budget) -> Turn:
    """Return a turn of the store to be followed like one that runs here; closed if it has ended."""
    outcome, partial = stored.outcome, stored.partial
    turn = Turn(
        stored.id,
        client_id=stored.client_id,
        answer=Answer(before=partial.text, first=partial.pieces),
    )
    turn.open(
        Accept(
            id=stored.client_id,
            turn_id=stored.id,
            duplicate=True,
            context=ContextReceipt(
                source=ContextSource.NONE,
                messages=0,
                dropped=0,
                input_tokens=outcome.usage.input_tokens if outcome else 0,
                report_id=None,
            ),
            shortened=outcome is not None and outcome.shortened,
            text=stored.question,
            regenerate_of=stored.regenerate_of,
        )
    )
    if outcome is not None:
        turn.close(
            end_frame(turn.id, outcome, client_id=turn.client_id, locale=locale, budget=budget)
        )
    return turn
