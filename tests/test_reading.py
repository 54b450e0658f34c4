"""The upstream's chunks become the turn's answer, inside its deadlines, with one retry."""

import asyncio
from typing import Any

import pytest

from gateway.chat.answer import Cursor, Progress
from gateway.chat.errors import (
    CostCapReached,
    FirstChunkTimeout,
    KeyInvalid,
    Stalled,
    UpstreamRateLimited,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from gateway.chat.frames import StatusState
from gateway.chat.guard import Stop, Stopped
from gateway.chat.planning import Plan
from gateway.chat.reading import RETRY_SECONDS, Reading
from gateway.chat.records import Chunk, FinishReason
from tests.builders import FINE, STOP, TRACE_ID, USAGE, a_plan, a_reading, rules
from tests.fakes import (
    HANG,
    CountingTokenizer,
    FakeClock,
    ScriptedUpstream,
    Step,
    idle,
    pass_time,
)

LENGTH = Chunk(finish_reason=FinishReason.LENGTH)


class Scene:
    """A reading of an upstream that plays `scripts`."""

    def __init__(self, *scripts: tuple[Step, ...]) -> None:
        self.clock = FakeClock()
        self.upstream = ScriptedUpstream(*scripts)
        self.reading: Reading = a_reading(self.clock)

    async def read(self, plan: Plan | None = None, **changes: Any) -> None:
        """Read to the end."""
        await self.reading.read(
            self.upstream,
            plan or a_plan(),
            rules=rules(**changes),
            tokenizer=CountingTokenizer(),
        )

    async def begin(self, **changes: Any) -> asyncio.Task[None]:
        """Return the task that reads, which has got as far as it can."""
        task = asyncio.create_task(self.read(**changes))
        await idle()
        return task

    @property
    def text(self) -> str:
        """The answer so far."""
        return self.reading.turn.answer.text


async def test_chunks_become_the_answer() -> None:
    """Text is appended as it comes, and the end and the usage are kept."""
    scene = Scene(FINE)
    await scene.read()
    assert (scene.text, scene.reading.turn.answer.position) == ("Revenue rose.", 2)
    assert (scene.reading.finish_reason, scene.reading.usage) == (FinishReason.STOP, USAGE)


async def test_request_is_the_plans() -> None:
    """The upstream is asked for what was planned, in a span of its own below the turn's."""
    scene = Scene(FINE)
    await scene.read(a_plan(max_output_tokens=42))
    (asked,) = scene.upstream.asked
    assert asked.messages == a_plan().prompt.messages
    assert (asked.model, asked.max_output_tokens) == ("sim-test", 42)
    (attempt,) = scene.reading.timeline.attempts
    assert asked.traceparent == f"00-{TRACE_ID}-{attempt.span_id}-01"
    assert attempt.span_id != scene.reading.trace.span_id


async def test_first_content_has_its_time() -> None:
    """The time of the first content is kept, not that of an empty chunk or of later ones."""
    gates = [asyncio.Event(), asyncio.Event()]
    scene = Scene((Chunk(), gates[0], "Revenue", gates[1], " rose.", STOP))
    task = await scene.begin()
    for gate in gates:
        scene.clock.advance(2)
        gate.set()
        await idle()
    await task
    assert scene.reading.deadlines.first_content == 2


async def test_empty_chunks_are_not_content() -> None:
    """Chunks without text hold no deadline up and add no piece."""
    gates = [asyncio.Event() for _ in range(3)]
    scene = Scene((gates[0], Chunk(), gates[1], Chunk(), gates[2]))
    task = await scene.begin()
    for gate in gates[:2]:
        scene.clock.advance(9)
        gate.set()
        await idle()
    assert (scene.reading.reached, scene.reading.turn.answer.position) == (True, 0)
    scene.clock.advance(2)
    with pytest.raises(FirstChunkTimeout):
        await task


async def test_content_that_stops() -> None:
    """An upstream that stops midway is `Stalled`, and its stream is closed."""
    scene = Scene(("Revenue", HANG))
    task = await scene.begin()
    scene.clock.advance(20)
    with pytest.raises(Stalled):
        await task
    assert (scene.text, scene.upstream.closed) == ("Revenue", 1)


async def test_stopping_closes_the_stream() -> None:
    """A turn that is stopped leaves no stream open."""
    scene = Scene(("Revenue", HANG))
    task = await scene.begin()
    scene.reading.deadlines.stop(Stop.CANCELLED)
    with pytest.raises(Stopped):
        await task
    assert scene.upstream.closed == 1


async def test_end_without_a_reason_is_truncated() -> None:
    """A stream that ends without a finish reason is not taken for an answer."""
    scene = Scene(("Revenue",))
    with pytest.raises(UpstreamTruncated):
        await scene.read()
    assert (scene.text, len(scene.upstream.asked)) == ("Revenue", 1)


@pytest.mark.parametrize(
    "error",
    [
        UpstreamUnavailable(),
        UpstreamUnavailable(retry_after=RETRY_SECONDS),
        UpstreamRateLimited(),
    ],
)
async def test_retry_before_content(error: Exception) -> None:
    """An upstream that is busy or away is tried once more, half a second later, and readers know."""
    scene = Scene((error,), FINE)
    task = await scene.begin()
    seen = scene.reading.turn.answer.take(Cursor())
    assert seen == [Progress(StatusState.RETRYING, retry_in_ms=500)]
    assert len(scene.upstream.asked) == 1
    await pass_time(RETRY_SECONDS)
    await task
    assert (scene.text, len(scene.upstream.asked)) == ("Revenue rose.", 2)


async def test_only_one_retry() -> None:
    """An upstream that fails twice has failed."""
    scene = Scene((UpstreamUnavailable(retry_after=0),), (UpstreamRateLimited(),), FINE)
    with pytest.raises(UpstreamRateLimited):
        await scene.read()
    assert (len(scene.upstream.asked), scene.upstream.closed) == (2, 2)


async def test_no_retry_after_content() -> None:
    """Once there is text nothing is asked again: it would be paid and read twice."""
    scene = Scene(("Revenue", UpstreamUnavailable(retry_after=0)), FINE)
    with pytest.raises(UpstreamUnavailable):
        await scene.read()
    assert (scene.text, len(scene.upstream.asked)) == ("Revenue", 1)


async def test_no_retry_of_what_cannot_succeed() -> None:
    """An error that a retry cannot help is not retried."""
    scene = Scene((KeyInvalid(),), FINE)
    with pytest.raises(KeyInvalid):
        await scene.read()
    assert len(scene.upstream.asked) == 1


@pytest.mark.parametrize(("late", "asked"), [(10, 2), (10.5, 1)])
async def test_retry_must_fit_the_deadline(late: float, asked: int) -> None:
    """A retry that would come after the deadline for content is not waited for."""
    scene = Scene((UpstreamRateLimited(retry_after=10),))
    scene.clock.advance(late)
    task = await scene.begin()
    await pass_time(10)
    with pytest.raises(UpstreamRateLimited) as raised:
        await task
    assert raised.value.retry_after_ms == 10_000
    assert len(scene.upstream.asked) == asked


async def test_deadline_goes_on_while_waiting_to_retry() -> None:
    """The wait before a retry is part of the time the first content has."""
    scene = Scene((UpstreamRateLimited(retry_after=20),), FINE)
    task = await scene.begin()
    scene.clock.advance(20)
    with pytest.raises(FirstChunkTimeout):
        await task


async def test_retry_uses_the_fallback() -> None:
    """Where a fallback model is configured the retry asks that one."""
    scene = Scene((UpstreamUnavailable(retry_after=0),), FINE)
    await scene.read(fallback_model="other", fallback_price=rules().price)
    assert [asked.model for asked in scene.upstream.asked] == ["sim-test", "other"]
    assert scene.reading.model == "other"


async def test_retry_without_a_fallback_asks_the_same() -> None:
    """Without a fallback model the retry asks the same one."""
    scene = Scene((UpstreamUnavailable(retry_after=0),), FINE)
    await scene.read()
    assert [asked.model for asked in scene.upstream.asked] == ["sim-test", "sim-test"]


async def test_upstream_that_began_is_asked_once() -> None:
    """What took the request bills it, so it is not sent again, even if no content came."""
    scene = Scene((Chunk(), UpstreamUnavailable(retry_after=0)), ("Revenue", STOP))
    with pytest.raises(UpstreamUnavailable):
        await scene.read()
    assert len(scene.upstream.asked) == 1


async def test_upstream_that_ignores_its_limit_is_stopped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Text over the limit is not passed on, and the stream is closed."""
    scene = Scene(("one two", " three four", STOP))
    await scene.read(a_plan(max_output_tokens=3))
    assert (scene.text, scene.upstream.closed) == ("one two", 1)
    assert scene.reading.finish_reason is FinishReason.LENGTH
    assert caplog.messages == ["upstream.over_limit"]


async def test_length_is_an_end_like_any_other() -> None:
    """An answer as long as allowed is complete where no cap made it shorter."""
    scene = Scene(("Revenue", LENGTH))
    await scene.read()
    assert scene.reading.finish_reason is FinishReason.LENGTH


async def test_length_under_a_cap_is_the_cap() -> None:
    """An answer that a cap cut off has reached the cap."""
    scene = Scene(("Revenue", LENGTH))
    with pytest.raises(CostCapReached):
        await scene.read(a_plan(limit=CostCapReached))


async def test_short_answer_under_a_cap_is_complete() -> None:
    """An answer that kept below its cap has not reached it."""
    scene = Scene(("Revenue", STOP))
    await scene.read(a_plan(limit=CostCapReached))
    assert scene.reading.finish_reason is FinishReason.STOP


async def test_whole_answer_without_a_bill_is_complete() -> None:
    """An answer that ended, on a stream that never does, is an answer; only its usage is unknown."""
    scene = Scene(("Revenue", STOP, HANG))
    task = await scene.begin()
    scene.clock.advance(rules().stall_seconds)
    await task
    assert (scene.text, scene.reading.finish_reason) == ("Revenue", FinishReason.STOP)
    assert scene.reading.usage is None
