"""From a stored question to its saved answer: recall, afford, stream, settle, save."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.chat.answer import Progress
from gateway.chat.context import brief_message
from gateway.chat.errors import CostCapReached, GatewayError, Internal, KeyMissing
from gateway.chat.frames import Accept, Ask, ContextReceipt, StatusState
from gateway.chat.guard import Stopped
from gateway.chat.live_session import LiveSession
from gateway.chat.memory import Memory
from gateway.chat.persister import Persister
from gateway.chat.planning import Draft, Plan, least_nano
from gateway.chat.planning import plan as plan_request
from gateway.chat.ports import Cache, Clock, Observer, Store, Tokenizer, Upstream
from gateway.chat.pricing import usd
from gateway.chat.reading import Reading
from gateway.chat.records import Exchange, Grant, History, Message, Outcome, Role
from gateway.chat.relaying import Relaying
from gateway.chat.rules import Rules
from gateway.chat.settlement import conclude, settle
from gateway.chat.turn import Turn, end_frame

logger = logging.getLogger(__name__)


class Answering:
    """Answers questions that are stored, however that ends; their turn is told, the store is told."""

    def __init__(
        self,
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
        self._store = store
        self._relaying = relaying
        self._upstream = upstream
        self._tokenizer = tokenizer
        self._clock = clock
        self._observers = observers
        self._rules = rules
        self._memory = Memory(store, cache=cache, messages=rules.history_messages)
        self._persister = Persister(store)
        self._brief = brief_message(count=tokenizer.count)

    @property
    def pending(self) -> int:
        """How many answers are not durable yet."""
        return self._persister.pending

    async def close(self, *, seconds: float) -> None:
        """Give answers that are not saved yet `seconds` more."""
        await self._persister.close(seconds=seconds)

    async def answer(
        self, session: LiveSession, reading: Reading, *, ask: Ask, question: Message, number: int
    ) -> None:
        """Answer turn `number` of a session and end it with exactly one frame."""
        turn, timeline, elapsed = reading.turn, reading.timeline, reading.deadlines.elapsed
        timeline.accepted = elapsed()
        plan: Plan | None = None
        history: History | None = None
        grant: Grant | None = None
        ended: GatewayError | Stopped | None = None
        try:
            history, source = await self._memory.recall(session.id, number=number)
            timeline.recalled, timeline.context = elapsed(), source
            draft = Draft(
                system=session.system,
                history=history.without(ask.regenerate_of),
                source=source,
                question=question,
                brief=self._brief,
            )
            if not self._rules.key_configured:
                raise KeyMissing
            plan, grant = await self._afford(turn, draft=draft)
            timeline.reserved, timeline.reserved_nano = elapsed(), grant.nano
            accept = _accept(session, turn, ask=ask, plan=plan)
            turn.open(accept)
            session.announce(turn)
            self._relaying.announce(session, accept)
            turn.answer.report(Progress(StatusState.WAITING))
            with self._slow_notice(reading):
                await reading.read(
                    self._upstream, plan, rules=self._rules, tokenizer=self._tokenizer
                )
        except (GatewayError, Stopped) as reason:
            ended = reason
        except Exception:
            logger.exception("turn.crashed")
            ended = Internal()
        outcome = settle(
            reading,
            plan=plan,
            ended=ended,
            tokenizer=self._tokenizer,
            rules=self._rules,
        )
        if grant is not None:
            session.spent_nano = grant.session_spent_nano + outcome.cost_nano
            session.warn_if_low(grant.day_spent_nano + outcome.cost_nano, rules=self._rules)
        conclude(reading, ended=ended, outcome=outcome)
        session.unsaved = await self._persister.save(turn.id, outcome)
        session.unsaved.add_done_callback(reading.note_saved)
        saved = session.unsaved.done() and session.unsaved.result()
        if history is not None and saved:
            exchange = _exchange(turn, question=question, outcome=outcome)
            # What was to be replaced stays where nothing has replaced it.
            past = history.without(ask.regenerate_of) if exchange else history
            await self._memory.remember(session.id, past, exchange=exchange)
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
        for observer in self._observers:
            observer.turn_ended(timeline)

    @contextmanager
    def _slow_notice(self, reading: Reading) -> Iterator[None]:
        # Said once content is late; a reader that has content already is not told.
        timer = self._clock.call_at(
            reading.deadlines.began + self._rules.slow_notice_seconds,
            lambda: reading.turn.answer.report(Progress(StatusState.SLOW)),
        )
        try:
            yield
        finally:
            timer.cancel()

    async def _afford(self, turn: Turn, *, draft: Draft) -> tuple[Plan, Grant]:
        rules = self._rules
        wanted = plan_request(
            draft, allowance=rules.request_nano, limit=CostCapReached, rules=rules
        )
        least = min(wanted.worst_nano, least_nano(draft, rules=rules))
        grant = await self._store.reserve(
            turn.id,
            wanted=wanted.worst_nano,
            least=least,
            session_cap=rules.session_nano,
            day_cap=rules.day_nano,
        )
        if grant.nano >= wanted.worst_nano:
            return wanted, grant
        least_dear = plan_request(draft, allowance=grant.nano, limit=grant.limit, rules=rules)
        return least_dear, grant


def _accept(session: LiveSession, turn: Turn, *, ask: Ask, plan: Plan) -> Accept:
    prompt = plan.prompt
    return Accept(
        id=ask.id,
        turn_id=turn.id,
        duplicate=False,
        context=ContextReceipt(
            source=prompt.source,
            messages=prompt.history_messages,
            dropped=prompt.dropped,
            input_tokens=prompt.input_tokens,
            report_id=session.report.id if session.report else None,
        ),
        shortened=plan.shortened,
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
