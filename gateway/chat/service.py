"""A turn from its question to its end: store it, build the prompt, stream the answer, save."""

import logging
from uuid import UUID, uuid4

import msgspec

from gateway.chat.answer import Answer, Progress
from gateway.chat.checkpoints import LEASE_SECONDS
from gateway.chat.context import build_prompt
from gateway.chat.errors import (
    Busy,
    EmptyMessage,
    GatewayError,
    Internal,
    KeyMissing,
    MessageTooLong,
    StorageUnavailable,
)
from gateway.chat.frames import Accept, Ask, ContextReceipt, StatusState
from gateway.chat.guard import Deadlines, Stop, Stopped
from gateway.chat.memory import Memory
from gateway.chat.persister import Persister
from gateway.chat.ports import Cache, Clock, Store, Tokenizer, Upstream
from gateway.chat.pricing import usd
from gateway.chat.reading import Reading
from gateway.chat.records import (
    Duplicate,
    Exchange,
    History,
    Message,
    NewTurn,
    Outcome,
    Prompt,
    Role,
)
from gateway.chat.rules import Rules
from gateway.chat.sessions import LiveSession, Sessions
from gateway.chat.settlement import settle
from gateway.chat.tasks import Tasks
from gateway.chat.trace import CURRENT, Trace
from gateway.chat.turn import Turn, end_frame, refusal, stored_turn

logger = logging.getLogger(__name__)


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
        upstream: Upstream,
        tokenizer: Tokenizer,
        clock: Clock,
        rules: Rules,
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._memory = Memory(store, cache=cache, messages=rules.history_messages)
        self._upstream = upstream
        self._tokenizer = tokenizer
        self._clock = clock
        self._rules = rules
        self._persister = Persister(store)
        self._turns = Tasks()

    def handle_message(
        self, session: LiveSession, ask: Ask, *, traceparent: str | None = None
    ) -> Taken:
        """Take a question and return its turn at once; whoever follows the turn is told the rest.

        Raises `EmptyMessage`, `MessageTooLong`, and `Busy` while another question is being answered.
        """
        if not ask.text.strip():
            raise EmptyMessage
        if len(ask.text) > self._rules.message_chars:
            raise MessageTooLong(limit=self._rules.message_chars)
        if session.active is not None:
            if session.active.turn.client_id == ask.id:
                return Taken(session.active.turn, duplicate=True)
            raise Busy
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
            started=self._clock.time(),
        )
        session.active = reading
        self._turns.start(self._run(session, reading, ask=ask), name="turn")
        return Taken(turn, duplicate=False)

    async def cancel(self, session: LiveSession, turn_id: UUID) -> None:
        """Stop a turn; one that has ended is left alone. Raises `UnknownTurn`, `StorageUnavailable`."""
        if session.active is not None and session.active.turn.id == turn_id:
            session.active.deadlines.stop(Stop.CANCELLED)
        else:
            await self._store.find_turn(session.id, turn_id)

    async def close(self, *, seconds: float) -> None:
        """Stop what runs, keeping partial answers, and give the saving of them `seconds`."""
        for reading in self._sessions.running():
            reading.deadlines.stop(Stop.SHUTDOWN)
        await self._turns.drain(seconds=seconds)
        await self._persister.close(seconds=seconds)

    async def _run(self, session: LiveSession, reading: Reading, *, ask: Ask) -> None:
        CURRENT.set(reading.trace)
        error: GatewayError
        try:
            await self._take(session, reading, ask=ask)
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

    async def _take(self, session: LiveSession, reading: Reading, *, ask: Ask) -> None:
        if session.unsaved is not None and not session.unsaved.done():
            raise StorageUnavailable
        turn = reading.turn
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
            budget = session.budget(self._rules)
            turn.replay(stored_turn(taken.turn, locale=session.locale, budget=budget))
            return
        await self._answer(session, reading, ask=ask, question=question, number=taken.number)

    async def _answer(
        self, session: LiveSession, reading: Reading, *, ask: Ask, question: Message, number: int
    ) -> None:
        turn = reading.turn
        prompt: Prompt | None = None
        history: History | None = None
        ended: GatewayError | Stopped | None = None
        try:
            history, source = await self._memory.recall(
                session.id, number=number, regenerate_of=ask.regenerate_of
            )
            prompt = build_prompt(
                question,
                system=session.system,
                history=history,
                source=source,
                history_messages=self._rules.history_messages,
                history_tokens=self._rules.history_tokens,
            )
            turn.open(_accept(session, reading, ask=ask, prompt=prompt))
            session.announce(turn)
            if not self._rules.key_configured:
                raise KeyMissing
            turn.answer.report(Progress(StatusState.WAITING))
            await reading.read(self._upstream, prompt, rules=self._rules)
        except (GatewayError, Stopped) as reason:
            ended = reason
        except Exception:
            logger.exception("turn.crashed")
            ended = Internal()
        outcome = settle(
            reading,
            prompt=prompt,
            ended=ended,
            now=self._clock.time(),
            tokenizer=self._tokenizer,
            rules=self._rules,
        )
        session.spent_nano += outcome.cost_nano
        session.unsaved = await self._persister.save(turn.id, outcome)
        if history is not None and session.unsaved.done():
            exchange = _exchange(turn, question=question, outcome=outcome)
            await self._memory.remember(session.id, history, exchange=exchange)
        _log_end(outcome, question=question)
        turn.close(
            end_frame(
                turn.id,
                outcome,
                client_id=ask.id,
                locale=session.locale,
                budget=session.budget(self._rules),
            )
        )


def _accept(session: LiveSession, reading: Reading, *, ask: Ask, prompt: Prompt) -> Accept:
    return Accept(
        id=ask.id,
        turn_id=reading.turn.id,
        duplicate=False,
        context=ContextReceipt(
            source=prompt.source,
            messages=prompt.history_messages,
            dropped=prompt.dropped,
            input_tokens=prompt.input_tokens,
            report_id=session.report.id if session.report else None,
        ),
        shortened=False,
        text=ask.text,
        regenerate_of=ask.regenerate_of,
    )


def _exchange(turn: Turn, *, question: Message, outcome: Outcome) -> Exchange | None:
    # A question that got no word in answer would only confuse the next prompt.
    if not outcome.text:
        return None
    answer = Message(Role.ASSISTANT, outcome.text, outcome.answer_tokens)
    return Exchange(turn_id=turn.id, question=question, answer=answer)


def _log_end(outcome: Outcome, *, question: Message) -> None:
    logger.info(
        "turn.ended",
        extra={
            "outcome": outcome.state.value,
            "error_type": outcome.code and outcome.code.value,
            "model": outcome.model,
            "input_tokens": outcome.usage.input_tokens,
            "output_tokens": outcome.usage.output_tokens,
            "usage_source": outcome.cost_source.value,
            "cost_usd": usd(outcome.cost_nano),
            "ttft_ms": outcome.ttft_ms,
            "duration_ms": outcome.total_ms,
            "text_len": len(question.text),
        },
    )
