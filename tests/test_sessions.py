"""Sessions are opened by token, watched by viewers, and forgotten when nobody needs them."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from gateway.chat.codes import Locale
from gateway.chat.errors import (
    ReportNotFound,
    SessionNotFound,
    StorageUnavailable,
)
from gateway.chat.frames import (
    FRAME_BYTES,
    Error,
    Hello,
    Limits,
    Ready,
    ReportInfo,
    encode,
)
from gateway.chat.records import Partial, TurnState
from gateway.chat.sessions import locale_of
from tests.builders import STOP, a_budget, an_ask
from tests.fakes import HANG, FakeViewer, idle
from tests.stage import Stage, frames, stage


async def ready(stage: Stage, viewer: FakeViewer | None = None, **hello: Any) -> Ready:
    """Enter and return what the client is told."""
    _, told = await stage.sessions.enter(Hello(**hello), viewer=viewer or FakeViewer())
    return told


async def test_new_session_is_about_its_report() -> None:
    """A hello without a session opens one about the report it names."""
    async with stage() as s:
        told = await ready(s, report_id="r1")
        assert told.report == ReportInfo(
            id="r1", headline="Saesol's second quarter", summary="Revenue rose by a tenth."
        )
        assert told.suggestions == ("Why did revenue rise?",)


async def test_session_without_a_report() -> None:
    """A session may be about no report at all."""
    async with stage() as s:
        told = await ready(s)
        assert (told.report, told.suggestions) == (None, ())


async def test_ready_tells_the_rules() -> None:
    """A client is told the model, its limits and its budget."""
    async with stage() as s:
        told = await ready(s)
        assert (told.model, told.simulated, told.key_configured) == ("sim-test", True, True)
        assert told.limits == Limits(
            message_chars=200, frame_bytes=FRAME_BYTES, turn_seconds=120, history_messages=20
        )
        assert told.budget == a_budget()


async def test_token_opens_its_session_again() -> None:
    """The token of a session is its only credential, and enough."""
    async with stage() as s:
        first = await ready(s, report_id="r1")
        again = await ready(s, session=first.session)
        assert (again.session_id, again.report) == (first.session_id, first.report)
        assert (again.session, len(s.sessions)) == (first.session, 1)


async def test_two_sessions_are_strangers() -> None:
    """Each new session has a token and an id of its own."""
    async with stage() as s:
        first, second = await ready(s), await ready(s)
        assert first.session != second.session
        assert first.session_id != second.session_id


@pytest.mark.parametrize("token", ["", "guessed"])
async def test_unknown_token(token: str) -> None:
    """A token that opens nothing is `SessionNotFound`, and nothing is kept of it."""
    async with stage() as s:
        with pytest.raises(SessionNotFound):
            await ready(s, session=token)
        assert len(s.sessions) == 0


async def test_unknown_report() -> None:
    """A report that does not exist is `ReportNotFound`."""
    async with stage() as s:
        with pytest.raises(ReportNotFound):
            await ready(s, report_id="r2")


async def test_store_down() -> None:
    """Without the store no session opens, and nobody is left watching."""
    async with stage() as s:
        s.store.fail("last_turns")
        with pytest.raises(StorageUnavailable):
            await ready(s)
        assert len(s.sessions) == 0


async def test_ready_shows_the_last_turns() -> None:
    """Who comes back sees the last turns, oldest first, and what they cost."""
    async with stage(history_messages=2) as s:
        told = await ready(s)
        session = await s.enter(session=told.session)
        for text in ("One?", "Two?", "Three?"):
            await s.ask(session, an_ask(text))
        back = await ready(s, session=told.session)
        assert [(t.n, t.question, t.text) for t in back.turns] == [
            (2, "Two?", "Revenue rose."),
            (3, "Three?", "Revenue rose."),
        ]
        assert (back.active_turn, back.budget.session_spent_usd) == (None, "0.000054")


async def test_ready_names_the_running_turn() -> None:
    """Who comes back while a turn runs is told which."""
    async with stage(["Revenue", HANG]) as s:
        told = await ready(s)
        session = await s.enter(session=told.session)
        turn = s.service.handle_message(session, an_ask()).turn
        await idle()
        back = await ready(s, session=told.session)
        assert back.active_turn is not None
        assert back.active_turn.turn_id == turn.id


@pytest.mark.parametrize(("pieces", "state"), [(0, TurnState.ACCEPTED), (1, TurnState.STREAMING)])
async def test_ready_knows_better_than_a_store_that_gave_up(pieces: int, state: TurnState) -> None:
    """A turn that runs here runs, also where the store could not hear of it for too long."""
    async with stage(["Revenue", HANG]) as s:
        told = await ready(s)
        session = await s.enter(session=told.session)
        turn = s.service.handle_message(session, an_ask()).turn
        await idle()
        partial = Partial(turn_id=turn.id, text="Revenue" * pieces, pieces=pieces)
        await s.store.checkpoint([partial], lease=1)
        s.store.dead.add(turn.id)
        await s.store.expire()
        back = await ready(s, session=told.session)
        assert back.active_turn is not None
        assert [(t.state, t.end) for t in back.turns] == [(state, None)]


async def test_viewer_that_enters_as_a_turn_begins_sees_it() -> None:
    """A turn that is announced while a viewer is entering is not missed by it."""
    async with stage(["Revenue", HANG]) as s:
        told = await ready(s)
        session = await s.enter(session=told.session)
        read = s.store.hold("last_turns")
        late = FakeViewer()
        entering = asyncio.create_task(ready(s, late, session=told.session))
        await idle()
        turn = s.service.handle_message(session, an_ask()).turn
        await idle()
        read.set()
        back = await entering
        await idle()
        assert turn in late.turns or back.active_turn is not None


async def test_ready_fits_a_frame() -> None:
    """Of very long turns only so many of the last are shown as fit a frame."""
    async with stage(["답" * 6000, STOP]) as s:
        told = await ready(s)
        session = await s.enter(session=told.session)
        for _ in range(4):
            await s.ask(session)
        back = await ready(s, session=told.session)
        assert [t.n for t in back.turns] == [3, 4]
        assert len(encode(back)) <= FRAME_BYTES


@pytest.mark.parametrize(
    ("name", "locale"),
    [
        (None, Locale.KO),
        ("", Locale.KO),
        ("ko", Locale.KO),
        ("fr", Locale.KO),
        ("en", Locale.EN),
        ("en-GB", Locale.EN),
        ("EN", Locale.EN),
    ],
)
def test_locale_is_english_or_korean(name: str | None, locale: Locale) -> None:
    """A client gets English if it asks for any, else Korean."""
    assert locale_of(name) is locale


@pytest.mark.parametrize(
    ("locale", "message"),
    [
        ("ko", "OpenAI API 키가 설정되지 않았습니다. 관리자에게 문의해 주세요."),
        ("en", "No OpenAI API key is configured. Ask the administrator."),
    ],
)
async def test_turns_end_in_the_sessions_language(locale: str, message: str) -> None:
    """An error is told in the language the client asked for."""
    async with stage(key_configured=False) as s:
        end = await s.end(await s.enter(locale=locale))
        assert isinstance(end, Error)
        assert end.message == message


async def test_session_nobody_watches_is_forgotten() -> None:
    """A session is kept in memory as long as somebody watches it."""
    async with stage() as s:
        viewers = FakeViewer(), FakeViewer()
        told = await ready(s, viewers[0])
        session = await s.enter(viewers[1], session=told.session)
        s.sessions.leave(session, viewer=viewers[0])
        assert len(s.sessions) == 1
        s.sessions.leave(session, viewer=viewers[1])
        assert len(s.sessions) == 0


async def test_session_with_a_running_turn_is_kept() -> None:
    """A session nobody watches is kept until its turn has ended."""
    gate = asyncio.Event()
    async with stage(["Revenue", gate, STOP]) as s:
        viewer = FakeViewer()
        session = await s.enter(viewer)
        turn = s.service.handle_message(session, an_ask()).turn
        await idle()
        s.sessions.leave(session, viewer=viewer)
        assert len(s.sessions) == 1
        gate.set()
        await frames(turn)
        assert len(s.sessions) == 0


async def test_leaving_twice_is_leaving() -> None:
    """A viewer that leaves again, or was never there, changes nothing."""
    async with stage(["Revenue", HANG]) as s:
        viewer = FakeViewer()
        session = await s.enter(viewer)
        s.service.handle_message(session, an_ask())
        await idle()
        armed = s.clock.armed
        for _ in range(2):
            s.sessions.leave(session, viewer=viewer)
        assert s.clock.armed == armed + 1


async def test_turns_are_listed_by_number() -> None:
    """The turns after a number, and before one, are told in order, so many of them as asked for."""
    async with stage() as s:
        session = await s.enter()
        for text in ("One?", "Two?", "Three?", "Four?"):
            await s.ask(session, an_ask(text))
        views = await s.sessions.turns_after(session, number=1, limit=2)
        assert [(view.n, view.question) for view in views] == [(2, "Two?"), (3, "Three?")]
        views = await s.sessions.turns_before(session, number=4, limit=2)
        assert [(view.n, view.question) for view in views] == [(2, "Two?"), (3, "Three?")]


async def test_attending_is_entering_without_ready() -> None:
    """A viewer may join by token alone, and keeps the session in memory."""
    async with stage() as s:
        told = await ready(s)
        viewer = FakeViewer()
        session = await s.sessions.attend(told.session, locale="en", viewer=viewer)
        assert (session.id, viewer in session.viewers) == (told.session_id, True)
        assert s.sessions.find(told.session_id) is session


async def test_attending_with_an_unknown_token() -> None:
    """A token that opens nothing cannot be attended either."""
    async with stage() as s:
        with pytest.raises(SessionNotFound):
            await s.sessions.attend("guessed", locale=None, viewer=FakeViewer())


async def test_session_is_found_only_where_it_is_open() -> None:
    """A session nobody opened here is not found here."""
    async with stage() as s:
        assert s.sessions.find(uuid4()) is None


async def test_joining_again_changes_nothing() -> None:
    """A viewer that joins twice leaves once."""
    async with stage() as s:
        viewer = FakeViewer()
        session = await s.enter(viewer)
        s.sessions.join(session, viewer=viewer)
        s.sessions.leave(session, viewer=viewer)
        assert session.viewers == []
