"""A session that is open in this process tells its viewers what concerns all of them."""

import pytest

from gateway.chat.frames import BudgetName, Hello, Notice, NoticeCode
from tests.fakes import FakeViewer
from tests.stage import stage


@pytest.mark.parametrize(
    ("session_spent", "day_spent", "names"),
    [
        (0, 0, []),
        (799, 799, []),
        (800, 0, [BudgetName.SESSION]),
        (0, 800, [BudgetName.DAY]),
        (1000, 1000, [BudgetName.SESSION, BudgetName.DAY]),
    ],
)
async def test_low_budget_is_told_once(
    session_spent: int, day_spent: int, names: list[BudgetName]
) -> None:
    """Everybody who watches is told, once, that four fifths of a budget are used."""
    async with stage(session_nano=1000, day_nano=1000) as s:
        viewers = FakeViewer(), FakeViewer()
        _, ready = await s.sessions.enter(Hello(), viewer=viewers[0])
        session = await s.enter(viewers[1], session=ready.session)
        session.spent_nano = session_spent
        for _ in range(2):
            session.warn_if_low(day_spent, rules=s.rules)
        notices = [Notice(code=NoticeCode.BUDGET_LOW, budget=name) for name in names]
        assert [viewer.notices for viewer in viewers] == [notices, notices]
