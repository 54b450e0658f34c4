"""The catalogue says for every error code whom it concerns, whether to retry, and what is shown."""

import re

import pytest

from gateway.chat.codes import CATALOGUE, Code, Locale, Scope, describe


@pytest.mark.parametrize("code", Code)
def test_every_code_has_an_entry(code: Code) -> None:
    """Every code of the wire is described in both languages."""
    entry = CATALOGUE[code]
    assert re.search("[가-힣]", entry.ko)
    assert re.search("[a-z]", entry.en)


@pytest.mark.parametrize("code", Code)
def test_placeholders_are_the_same_in_both_languages(code: Code) -> None:
    """A number told in one language is told in the other."""
    entry = CATALOGUE[code]
    assert re.findall(r"{\w+}", entry.ko) == re.findall(r"{\w+}", entry.en)


@pytest.mark.parametrize(
    ("code", "scope", "retryable", "ko", "en"),
    [
        (
            Code.STALLED,
            Scope.TURN,
            True,
            "응답 지연: 응답이 중간에 멈췄습니다. 다시 시도해 주세요.",
            "The answer stopped midway. Please try again.",
        ),
        (
            Code.QUOTA_EXHAUSTED,
            Scope.TURN,
            False,
            "요청 실패: OpenAI 사용 한도가 소진되었습니다. 관리자에게 문의해 주세요.",
            "Request failed: the OpenAI quota is used up. Ask the administrator.",
        ),
        (
            Code.SESSION_BUDGET_REACHED,
            Scope.TURN,
            False,
            "비용 상한 초과: 이 대화의 예산을 모두 사용했습니다.",
            "Budget of this conversation used up.",
        ),
        (
            Code.SESSION_NOT_FOUND,
            Scope.SESSION,
            False,
            "대화를 찾을 수 없습니다. 새로 시작해 주세요.",
            "Conversation not found. Start a new one.",
        ),
        (
            Code.BUSY,
            Scope.FRAME,
            True,
            "이전 답변이 진행 중입니다.",
            "The previous answer is still running.",
        ),
    ],
)
def test_entry_is_as_the_protocol_has_it(
    code: Code, scope: Scope, retryable: bool, ko: str, en: str
) -> None:
    """An entry says what its row of the protocol's table says."""
    entry = CATALOGUE[code]
    assert (entry.scope, entry.retryable) == (scope, retryable)
    assert (describe(code, Locale.KO), describe(code, Locale.EN)) == (ko, en)


def test_limit_is_filled_in() -> None:
    """The length limit is told as a number."""
    told = describe(Code.MESSAGE_TOO_LONG, Locale.KO, max=8000)
    assert told == "메시지가 너무 깁니다 (최대 8000자)."


def test_seconds_are_filled_in() -> None:
    """The seconds to wait are told as a number."""
    assert (
        describe(Code.RATE_LIMITED, Locale.EN, seconds=7) == "Too many requests. Try again in 7 s."
    )
