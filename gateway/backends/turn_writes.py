"""What a turn writes, for many turns at once: taken, paid for, ended."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from gateway.backends import statements
from gateway.backends.gathering import Gathering
from gateway.backends.postgres import Database, Row
from gateway.backends.watch import Operation
from gateway.chat.records import NewTurn, Outcome


class Reservation(NamedTuple):
    """Nano-dollars to set aside for a turn."""

    turn_id: UUID
    wanted: int
    least: int
    session_cap: int
    day_cap: int


class Ended(NamedTuple):
    """How a turn ended."""

    turn_id: UUID
    outcome: Outcome


class TurnWrites:
    """The three statements of a turn; each serves all turns that ask for it at the same time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._accepts = Gathering(self._accept)
        self._reserves = Gathering(self._reserve)
        self._finishes = Gathering(self._finish)

    async def accept(self, turn: NewTurn) -> int | None:
        """Add a turn and return its number, None where something it must not repeat is there."""
        return await self._accepts.join(turn)

    async def reserve(self, reservation: Reservation) -> Row | None:
        """Set money aside; return the row of `reserve_for_turn`, None for a turn that does not run."""
        return await self._reserves.join(reservation)

    async def finish(self, ended: Ended) -> None:
        """Save how a turn ended; saving it again changes nothing."""
        await self._finishes.join(ended)

    async def close(self) -> None:
        """Give up what is on its way."""
        for gathering in (self._accepts, self._reserves, self._finishes):
            await gathering.close()

    async def _accept(self, turns: Sequence[NewTurn]) -> list[int | None]:
        rows = await self._database.fetch(
            statements.ACCEPT_TURNS,
            _columns(
                (
                    *(turn.id, turn.session_id, turn.client_id),
                    *(turn.question.text, turn.question.tokens, turn.regenerate_of),
                    *(turn.model, turn.trace_id, turn.lease),
                )
                for turn in turns
            ),
            operation=Operation.ACCEPT_TURN,
        )
        numbers = dict[UUID, int](rows)
        return [numbers.get(turn.id) for turn in turns]

    async def _reserve(self, reservations: Sequence[Reservation]) -> list[Row | None]:
        rows = await self._database.fetch(
            statements.RESERVE, _columns(reservations), operation=Operation.RESERVE
        )
        granted = {turn_id: tuple(rest) for turn_id, *rest in rows}
        return [granted.get(reservation.turn_id) for reservation in reservations]

    async def _finish(self, ends: Sequence[Ended]) -> list[None]:
        await self._database.fetch(
            statements.FINISH_TURNS,
            _columns(_finish_row(end) for end in ends),
            operation=Operation.FINISH_TURN,
        )
        return [None] * len(ends)


def _finish_row(end: Ended) -> Row:
    outcome, usage = end.outcome, end.outcome.usage
    return (
        *(end.turn_id, outcome.state, outcome.text, outcome.pieces, outcome.model),
        *(outcome.trace_id, outcome.finish_reason, outcome.code, outcome.answer_tokens),
        *(usage.input_tokens, usage.cached_tokens),
        *(usage.output_tokens, usage.reasoning_tokens),
        *(outcome.cost_nano, outcome.cost_source),
        *(outcome.ttft_ms, outcome.total_ms, outcome.shortened),
    )


def _columns(rows: Iterable[Row]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
