"""Follow a turn wherever it runs: here, in another process, or only in the store any more."""

import asyncio
import logging
from typing import assert_never
from uuid import UUID, uuid4

from gateway.chat.answer import Answer
from gateway.chat.company import Company
from gateway.chat.errors import GatewayError
from gateway.chat.frames import Accept, Notice
from gateway.chat.guard import Stop
from gateway.chat.live_session import LiveSession
from gateway.chat.ports import Relay, Store
from gateway.chat.reading import Reading
from gateway.chat.records import StoredTurn
from gateway.chat.rules import Rules
from gateway.chat.sessions import Sessions
from gateway.chat.signals import Cancelled, Ended, Here, Part, Pieces, Started, Wanted
from gateway.chat.tasks import Tasks
from gateway.chat.turn import Turn, end_frame, stored_turn

logger = logging.getLogger(__name__)

# One write for an answer in this time, however many tokens came: a delay nobody sees.
BATCH_SECONDS = 0.075
# How often a process that shows a remote turn says so, and how long the owner believes it.
WANTED_SECONDS = 3.0
BELIEVED_SECONDS = 8.0
# Some batches: what ended just now is still to be told.
CLOSE_SECONDS = 1.0
# Without a word from the owner for this long, the store is asked.
QUIET_SECONDS = 0.5


class _Elsewhere:
    """The viewers a turn has in other processes, as one viewer of its session here."""

    def __init__(self) -> None:
        self.position = 0
        self.believed_until = 0.0

    def watch(self, turn: Turn) -> None:
        """Nothing: each turn is asked for by whoever shows it."""

    def notify(self, notice: Notice) -> None:
        """Nothing: notices are told where they arise."""


class Relaying:
    """Serves other processes what runs here, and shows here what runs elsewhere."""

    def __init__(self, sessions: Sessions, *, store: Store, relay: Relay, rules: Rules) -> None:
        self._sessions = sessions
        self._store = store
        self._relay = relay
        self._rules = rules
        self._origin = uuid4()
        self._company = Company(origin=self._origin, relay=relay)
        self._mirrors: dict[UUID, Turn] = {}
        self._served: dict[UUID, _Elsewhere] = {}
        self._mirroring = Tasks()
        self._serving = Tasks()

    async def listen(self) -> None:
        """Say that we are there, and act on what other processes tell, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._company.keep(), name="company")
            group.create_task(self._listen(), name="listen")

    async def _listen(self) -> None:
        async for signal in self._relay.signals():
            if signal.origin == self._origin:
                continue
            if self._company.hear(signal.origin):
                # It may have begun just now, and wants to know whether it is alone.
                self._serving.start(self._company.say_here(), name="here")
            match signal:
                case Here():
                    pass
                case Started(session_id=session_id, accept=accept):
                    self._show(session_id, accept)
                case Wanted(turn_id=turn_id, after=after):
                    self._serve(turn_id, after=after)
                case Cancelled(turn_id=turn_id):
                    for _, reading in self._sessions.running():
                        if reading.turn.id == turn_id:
                            reading.deadlines.stop(Stop.CANCELLED)
                case _:
                    assert_never(signal)

    def announce(self, session: LiveSession, accept: Accept) -> None:
        """Tell other processes, whose viewers of the session may want to see it, that a turn runs here."""
        if self._company.alone:
            return
        signal = Started(origin=self._origin, session_id=session.id, accept=accept)
        self._serving.start(self._relay.tell(signal), name="announce")

    async def cancel(self, turn_id: UUID) -> None:
        """Have a turn stopped that another process runs; raises `StorageUnavailable`."""
        await self._relay.tell(Cancelled(origin=self._origin, turn_id=turn_id))
        # And by the way that needs no Redis: its process finds this at its next checkpoint.
        await self._store.request_cancel(turn_id)

    async def find(self, session: LiveSession, turn_id: UUID) -> Turn:
        """Return a turn of the session; raises `UnknownTurn`, `StorageUnavailable`."""
        if session.active is not None and session.active.turn.id == turn_id:
            return session.active.turn
        return self.follow(session, await self._store.find_turn(session.id, turn_id))

    def follow(self, session: LiveSession, stored: StoredTurn) -> Turn:
        """Return a turn the store holds, kept up to date if it runs elsewhere."""
        turn = stored_turn(stored, locale=session.locale, budget=session.budget(self._rules))
        return turn if turn.end is not None else self._mirror(session, turn)

    async def close(self) -> None:
        """Stop showing, and serving once other processes have been told how turns ended."""
        await self._mirroring.drain(seconds=0)
        await self._serving.drain(seconds=CLOSE_SECONDS)

    def _show(self, session_id: UUID, accept: Accept) -> None:
        session = self._sessions.find(session_id)
        if session is None or not session.viewers:
            return
        turn = Turn(accept.turn_id, client_id=accept.id, answer=Answer())
        turn.open(accept)
        session.announce(self._mirror(session, turn))

    def _mirror(self, session: LiveSession, turn: Turn) -> Turn:
        known = self._mirrors.get(turn.id)
        if known is not None:
            return known
        self._mirrors[turn.id] = turn
        self._mirroring.start(self._keep_mirror(session, turn), name="mirror")
        return turn

    async def _keep_mirror(self, session: LiveSession, turn: Turn) -> None:
        mark, quiet, told = "0", 0.0, WANTED_SECONDS
        try:
            while turn.end is None:
                # Not `session`: whoever left and came back has a new one.
                live = self._sessions.find(session.id)
                if told >= WANTED_SECONDS and live is not None and live.viewers:
                    after = turn.answer.position
                    await self._relay.tell(
                        Wanted(origin=self._origin, turn_id=turn.id, after=after)
                    )
                    told = 0.0
                parts = await self._relay.read(turn.id, after=mark)
                before = turn.answer.position
                for part_mark, part in parts:
                    mark = part_mark
                    if not _take(turn, part):
                        told = WANTED_SECONDS
                quiet = 0.0 if turn.answer.position > before else quiet + BATCH_SECONDS
                if quiet >= QUIET_SECONDS:
                    quiet = 0.0
                    await self._ask_store(session, turn)
                await asyncio.sleep(BATCH_SECONDS)
                told += BATCH_SECONDS
        finally:
            self._mirrors.pop(turn.id, None)

    async def _ask_store(self, session: LiveSession, turn: Turn) -> None:
        try:
            stored = await self._store.find_turn(session.id, turn.id)
        except GatewayError:
            return
        if stored.partial.pieces > turn.answer.position:
            turn.answer.reset(before=stored.partial.text, first=stored.partial.pieces)
        if stored.outcome is not None:
            turn.close(
                end_frame(
                    turn.id,
                    stored.outcome,
                    client_id=turn.client_id,
                    locale=session.locale,
                    budget=session.budget(self._rules),
                )
            )

    def _serve(self, turn_id: UUID, *, after: int) -> None:
        for session, reading in self._sessions.running():
            if reading.turn.id != turn_id:
                continue
            elsewhere = self._served.get(turn_id)
            if elsewhere is None:
                elsewhere = self._served[turn_id] = _Elsewhere()
                elsewhere.position = after
                self._serving.start(self._relay_out(session, reading, elsewhere), name="relay")
            elsewhere.position = min(elsewhere.position, after)
            elsewhere.believed_until = asyncio.get_running_loop().time() + BELIEVED_SECONDS

    async def _relay_out(
        self, session: LiveSession, reading: Reading, elsewhere: _Elsewhere
    ) -> None:
        turn = reading.turn
        self._sessions.join(session, viewer=elsewhere)
        try:
            while True:
                end = turn.end
                parts: list[Part] = []
                texts = turn.answer.pieces(elsewhere.position)
                if texts:
                    parts.append(Pieces(start=elsewhere.position, texts=tuple(texts)))
                    elsewhere.position += len(texts)
                if end is not None:
                    parts.append(Ended(to=turn.answer.position, end=end))
                if parts:
                    await self._relay.publish(turn.id, parts)
                if end is not None:
                    return
                if asyncio.get_running_loop().time() > elsewhere.believed_until:
                    return
                await asyncio.sleep(BATCH_SECONDS)
        finally:
            self._served.pop(turn.id, None)
            self._sessions.leave(session, viewer=elsewhere)


def _take(turn: Turn, part: Part) -> bool:
    """Add a part to a mirror; returns False where something before it is missing."""
    position = turn.answer.position
    match part:
        case Pieces(start=start, texts=texts):
            if start > position:
                return False
            for text in texts[position - start :]:
                turn.answer.append(text)
        case Ended(to=to, end=end):
            if to > position:
                return False
            turn.close(end)
        case _:
            assert_never(part)
    return True
