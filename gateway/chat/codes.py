"""Every error code of the wire: who it concerns, whether a retry may help, and what the reader is told."""

from enum import StrEnum, unique

import msgspec


@unique
class Locale(StrEnum):
    """The languages the gateway speaks."""

    KO = "ko"
    EN = "en"


@unique
class Scope(StrEnum):
    """What an error ends: one frame, one turn, or the session."""

    FRAME = "frame"
    TURN = "turn"
    SESSION = "session"


@unique
class Code(StrEnum):
    """The error codes of `chatgw.v1`, final in their names (docs/protocol.md)."""

    INVALID_FRAME = "invalid_frame"
    EMPTY_MESSAGE = "empty_message"
    MESSAGE_TOO_LONG = "message_too_long"
    BUSY = "busy"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    OVERLOADED = "overloaded"
    UNKNOWN_TURN = "unknown_turn"
    SESSION_NOT_FOUND = "session_not_found"
    REPORT_NOT_FOUND = "report_not_found"
    KEY_MISSING = "key_missing"
    KEY_INVALID = "key_invalid"
    COST_CAP_REACHED = "cost_cap_reached"
    SESSION_BUDGET_REACHED = "session_budget_reached"
    DAILY_BUDGET_REACHED = "daily_budget_reached"
    FIRST_CHUNK_TIMEOUT = "first_chunk_timeout"
    STALLED = "stalled"
    TURN_TIMEOUT = "turn_timeout"
    UPSTREAM_RATE_LIMITED = "upstream_rate_limited"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    UPSTREAM_TRUNCATED = "upstream_truncated"
    UPSTREAM_REJECTED = "upstream_rejected"
    QUOTA_EXHAUSTED = "quota_exhausted"
    CONTEXT_TOO_LONG = "context_too_long"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    INTERRUPTED = "interrupted"
    INTERNAL = "internal"


class Entry(msgspec.Struct, frozen=True):
    """One row of the protocol's table of errors."""

    scope: Scope
    retryable: bool
    ko: str
    en: str


CATALOGUE: dict[Code, Entry] = {
    Code.INVALID_FRAME: Entry(
        Scope.FRAME, False, "요청 형식이 올바르지 않습니다.", "The request is not well formed."
    ),
    Code.EMPTY_MESSAGE: Entry(
        Scope.FRAME, False, "메시지를 입력해 주세요.", "Type a message first."
    ),
    Code.MESSAGE_TOO_LONG: Entry(
        Scope.FRAME,
        False,
        "메시지가 너무 깁니다 (최대 {max}자).",
        "The message is too long ({max} characters at most).",
    ),
    Code.BUSY: Entry(
        Scope.FRAME, True, "이전 답변이 진행 중입니다.", "The previous answer is still running."
    ),
    Code.RATE_LIMITED: Entry(
        Scope.FRAME,
        True,
        "요청이 너무 잦습니다. {seconds}초 후 다시 시도해 주세요.",
        "Too many requests. Try again in {seconds} s.",
    ),
    Code.TOO_MANY_CONNECTIONS: Entry(
        Scope.FRAME,
        True,
        "열린 연결이 너무 많습니다. 다른 창을 닫거나 잠시 후 다시 시도해 주세요.",
        "Too many open connections. Close other windows, or try again shortly.",
    ),
    Code.OVERLOADED: Entry(
        Scope.FRAME,
        True,
        "일시 오류: 접속자가 많습니다. 잠시 후 다시 시도해 주세요.",
        "Temporary: too many people are here. Try again shortly.",
    ),
    Code.UNKNOWN_TURN: Entry(
        Scope.FRAME, False, "해당 답변을 찾을 수 없습니다.", "That answer is not known."
    ),
    Code.SESSION_NOT_FOUND: Entry(
        Scope.SESSION,
        False,
        "대화를 찾을 수 없습니다. 새로 시작해 주세요.",
        "Conversation not found. Start a new one.",
    ),
    Code.REPORT_NOT_FOUND: Entry(
        Scope.SESSION, False, "리포트를 찾을 수 없습니다.", "Report not found."
    ),
    Code.KEY_MISSING: Entry(
        Scope.TURN,
        False,
        "OpenAI API 키가 설정되지 않았습니다. 관리자에게 문의해 주세요.",
        "No OpenAI API key is configured. Ask the administrator.",
    ),
    Code.KEY_INVALID: Entry(
        Scope.TURN,
        False,
        "OpenAI API 키가 올바르지 않습니다. 관리자에게 문의해 주세요.",
        "The OpenAI API key was refused. Ask the administrator.",
    ),
    Code.COST_CAP_REACHED: Entry(
        Scope.TURN,
        False,
        "비용 상한 초과: 이 요청의 비용 한도에 도달했습니다.",
        "Cost cap reached for this request.",
    ),
    Code.SESSION_BUDGET_REACHED: Entry(
        Scope.TURN,
        False,
        "비용 상한 초과: 이 대화의 예산을 모두 사용했습니다.",
        "Budget of this conversation used up.",
    ),
    Code.DAILY_BUDGET_REACHED: Entry(
        Scope.TURN,
        False,
        "비용 상한 초과: 오늘의 예산을 모두 사용했습니다.",
        "Budget of today used up.",
    ),
    Code.FIRST_CHUNK_TIMEOUT: Entry(
        Scope.TURN,
        True,
        "응답 지연: 응답이 시작되지 않았습니다. 다시 시도해 주세요.",
        "The answer is delayed. Please try again.",
    ),
    Code.STALLED: Entry(
        Scope.TURN,
        True,
        "응답 지연: 응답이 중간에 멈췄습니다. 다시 시도해 주세요.",
        "The answer stopped midway. Please try again.",
    ),
    Code.TURN_TIMEOUT: Entry(
        Scope.TURN,
        True,
        "응답 지연: 제한 시간을 넘었습니다. 다시 시도해 주세요.",
        "The answer took too long. Please try again.",
    ),
    Code.UPSTREAM_RATE_LIMITED: Entry(
        Scope.TURN,
        True,
        "일시 오류: 요청이 많습니다. 잠시 후 다시 시도해 주세요.",
        "Temporary: the model is busy. Try again shortly.",
    ),
    Code.UPSTREAM_UNAVAILABLE: Entry(
        Scope.TURN,
        True,
        "일시 오류: 모델에 연결할 수 없습니다. 잠시 후 다시 시도해 주세요.",
        "Temporary: the model cannot be reached. Try again shortly.",
    ),
    Code.UPSTREAM_TRUNCATED: Entry(
        Scope.TURN,
        True,
        "일시 오류: 응답이 중간에 끊겼습니다. 다시 시도해 주세요.",
        "Temporary: the answer was cut off. Please try again.",
    ),
    Code.UPSTREAM_REJECTED: Entry(
        Scope.TURN,
        False,
        "요청 실패: 모델이 요청을 거부했습니다.",
        "Request failed: the model refused the request.",
    ),
    Code.QUOTA_EXHAUSTED: Entry(
        Scope.TURN,
        False,
        "요청 실패: OpenAI 사용 한도가 소진되었습니다. 관리자에게 문의해 주세요.",
        "Request failed: the OpenAI quota is used up. Ask the administrator.",
    ),
    Code.CONTEXT_TOO_LONG: Entry(
        Scope.TURN,
        False,
        "요청 실패: 대화가 너무 깁니다.",
        "Request failed: the conversation is too long.",
    ),
    Code.STORAGE_UNAVAILABLE: Entry(
        Scope.TURN,
        True,
        "일시 오류: 대화를 저장할 수 없습니다. 잠시 후 다시 시도해 주세요.",
        "Temporary: the conversation cannot be stored. Try again shortly.",
    ),
    Code.INTERRUPTED: Entry(
        Scope.TURN,
        True,
        "일시 오류: 서버가 재시작되어 응답이 중단되었습니다.",
        "Temporary: the server restarted during the answer.",
    ),
    Code.INTERNAL: Entry(
        Scope.TURN, True, "일시 오류가 발생했습니다.", "A temporary error occurred."
    ),
}


def describe(code: Code, locale: Locale, **params: int) -> str:
    """Return the sentence a reader sees for `code`; `params` fill `{max}` and `{seconds}`."""
    entry = CATALOGUE[code]
    text = entry.ko if locale is Locale.KO else entry.en
    return text.format(**params)
