"""Take questions: each becomes a turn with a task of its own, whoever asked and wherever they go."""

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID, uuid4

import msgspec

from gateway.chat.answer import Answer
from gateway.chat.answering import Answering
from gateway.chat.checkpoints import LEASE_SECONDS
from gateway.chat.errors import (
    Busy,
    EmptyMessage,
    GatewayError,
    Internal,
    Interrupted,
    MessageTooLong,
    RateLimited,
    StorageUnavailable,
)
from gateway.chat.frames import Ask, TurnView
from gateway.chat.guard import Deadlines, Stop
from gateway.chat.live_session import LiveSession
from gateway.chat.pace import MessagePace
from gateway.chat.ports import Cache, Clock, Observer, Store, Tokenizer, Upstream
from gateway.chat.reading import Reading
from gateway.chat.records import Duplicate, Message, NewTurn, Role
from gateway.chat.relaying import Relaying
from gateway.chat.rules import Rules
from gateway.chat.sessions import Sessions
from gateway.chat.tasks import Tasks
from gateway.chat.trace import CURRENT, Trace
from gateway.chat.turn import Turn, refusal

logger = logging.getLogger(__name__)

# How long the end of the process waits for answers that are not stored yet.
SAVE_SECONDS = 5.0
# How long a question waits for the last answer to be stored: one more try of the persister is in it.
UNSAVED_SECONDS = 1.0


class Taken(msgspec.Struct, frozen=True):
    """A question's turn, and whether it was running already."""

    turn: Turn
    duplicate: bool


class ChatService:
    """Answers questions. A turn belongs to the service, never to the connection that asked."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        store: Store,
        cache: Cache,
        relaying: Relaying,
        upstream: Upstream,
        tokenizer: Tokenizer,
        clock: Clock,
        observers: Sequence[Observer],
        rules: Rules,
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._relaying = relaying
        self._tokenizer = tokenizer
        self._clock = clock
        self._observers = observers
        self._rules = rules
        self._answering = Answering(
            store=store,
            cache=cache,
            relaying=relaying,
            upstream=upstream,
            tokenizer=tokenizer,
            clock=clock,
            observers=observers,
            rules=rules,
        )
        self._pace = MessagePace(clock, per_minute=rules.messages_per_minute)
        self._turns = Tasks()
        # Set by a process about to leave: another one takes the next questions.
        self.draining = False

    @property
    def pending(self) -> int:
        """How many answers are not durable yet."""
        return self._answering.pending

    @property
    def running(self) -> int:
        """How many turns run in this process."""
        return len(self._turns)

    def handle_message(
        self,
        session: LiveSession,
        ask: Ask,
        *,
        address: int = 0,
        traceparent: str | None = None,
    ) -> Taken:
        """Take a question and return its turn at once; whoever follows the turn is told the rest.

        `address` is a number for where it comes from, the same for all who come from there.
        Raises `EmptyMessage`, `MessageTooLong`, `Busy` while another question is being answered, and
        `Interrupted` while draining.
        """
        if not any(c.isprintable() and not c.isspace() for c in ask.text):
            raise EmptyMessage
        if len(ask.text) > self._rules.message_chars:
            raise MessageTooLong(limit=self._rules.message_chars)
        if session.active is not None:
            if session.active.turn.client_id == ask.id:
                return Taken(session.active.turn, duplicate=True)
            raise Busy
        if self.draining:
            raise Interrupted
        turn = Turn(uuid4(), client_id=ask.id, answer=Answer())
        deadlines = Deadlines(
            self._clock,
            turn=self._rules.turn_seconds,
            first_chunk=self._rules.first_chunk_seconds,
            stall=self._rules.stall_seconds,
        )
        reading = Reading(
            turn,
            deadlines=deadlines,
            trace=Trace.start(traceparent),
            model=self._rules.model,
        )
        session.active = reading
        self._turns.start(self._run(session, reading, ask=ask, address=address), name="turn")
        return Taken(turn, duplicate=False)

    async def cancel(self, session: LiveSession, turn_id: UUID) -> None:
        """Stop a turn; one that has ended is left alone. Raises `UnknownTurn`, `StorageUnavailable`."""
        if session.active is not None and session.active.turn.id == turn_id:
            session.active.deadlines.stop(Stop.CANCELLED)
            return
        stored = await self._store.find_turn(session.id, turn_id)
        if stored.outcome is None:
            await self._relaying.cancel(turn_id)

    async def view_turn(self, session: LiveSession, turn_id: UUID) -> TurnView:
        """Return a turn's state and text so far; raises `UnknownTurn`, `StorageUnavailable`."""
        view = self._sessions.view(session, await self._store.find_turn(session.id, turn_id))
        if session.active is None or session.active.turn.id != turn_id:
            return view
        answer = session.active.turn.answer
        return msgspec.structs.replace(view, text=answer.text, to=answer.position)

    async def find_turn(self, session: LiveSession, turn_id: UUID) -> Turn:
        """Return a turn of the session, wherever it runs; raises `UnknownTurn`, `StorageUnavailable`."""
        return await self._relaying.find(session, turn_id)

    async def drain(self, *, seconds: float) -> None:
        """Give running answers `seconds` to finish, then stop them; their partial texts are saved."""
        await self._turns.wait(seconds=seconds)
        await self.close(seconds=SAVE_SECONDS)

    async def close(self, *, seconds: float) -> None:
        """Stop what runs, keeping partial answers, and give the saving of them `seconds`."""
        for _, reading in self._sessions.running():
            reading.deadlines.stop(Stop.SHUTDOWN)
        await self._turns.drain(seconds=seconds)
        await self._answering.close(seconds=seconds)

    async def _run(self, session: LiveSession, reading: Reading, *, ask: Ask, address: int) -> None:
        CURRENT.set(reading.trace)
        error: GatewayError
        try:
            await self._take(session, reading, ask=ask, address=address)
        except GatewayError as refused:
            error = refused
        except Exception:
            logger.exception("turn.crashed")
            error = Internal()
        else:
            return
        finally:
            self._sessions.release(session)
        logger.info("turn.refused", extra={"error_type": error.code.value})
        reading.turn.close(
            refusal(
                error,
                locale=session.locale,
                trace_id=reading.trace.trace_id,
                client_id=ask.id,
            )
        )
        reading.timeline.refuse(error, at=reading.deadlines.elapsed())
        for observer in self._observers:
            observer.turn_ended(reading.timeline)

    async def _take(
        self, session: LiveSession, reading: Reading, *, ask: Ask, address: int
    ) -> None:
        if session.unsaved is not None and not session.unsaved.done():
            # A store that is only slow has it in a moment, and without it the prompt would lack the answer.
            _, late = await asyncio.wait({session.unsaved}, timeout=UNSAVED_SECONDS)
            if late:
                raise StorageUnavailable
        turn = reading.turn
        try:
            self._pace.take(session.id, address=address)
        except RateLimited:
            # A question that was asked before costs nothing more, so it is answered however often it comes.
            known = await self._store.find_question(session.id, ask.id)
            if known is None:
                raise
            turn.become(self._relaying.follow(session, known))
            return
        question = Message(Role.USER, ask.text, self._tokenizer.count(ask.text))
        taken = await self._store.accept_turn(
            NewTurn(
                id=turn.id,
                session_id=session.id,
                client_id=ask.id,
                question=question,
                regenerate_of=ask.regenerate_of,
                model=self._rules.model,
                trace_id=reading.trace.trace_id,
                lease=LEASE_SECONDS,
            )
        )
        if isinstance(taken, Duplicate):
            turn.become(self._relaying.follow(session, taken.turn))
            return
        await self._answering.answer(
            session, reading, ask=ask, question=question, number=taken.number
        )
