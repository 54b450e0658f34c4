"""Tell what a question wants and which sentences of a report speak to it."""

import re
from collections.abc import Sequence
from enum import StrEnum, unique

from gateway.dev.voice.korean import is_korean, noun


@unique
class Intent(StrEnum):
    """What a question wants to know."""

    GREETING = "greeting"
    SUMMARY = "summary"
    RISK = "risk"
    OUTLOOK = "outlook"
    WHY = "why"
    FIGURES = "figures"
    CHANGE = "change"
    TOPIC = "topic"


def _any_of(*words: str) -> re.Pattern[str]:
    # Korean words match anywhere, English ones from their beginning: "fell" is not in "shellfish".
    return re.compile("|".join(w if is_korean(w) else rf"\b{w}" for w in words), re.IGNORECASE)


# What a question of each kind says; the first kind that fits is it.
_ASKS = {
    Intent.GREETING: _any_of(
        *("안녕", "반가", "고마", "감사", "hello", "hi\\b", "hey\\b", "thank", "good morning")
    ),
    Intent.SUMMARY: _any_of(
        *("요약", "정리", "핵심", "요점", "무슨 내용", "줄거리", "세 줄", "한 줄"),
        *("summar", "overview", "main point", "key point", "takeaway", "tl;dr", "in short", "gist"),
    ),
    Intent.RISK: _any_of(
        *("위험", "리스크", "우려", "걱정", "변수", "악재"),
        *("risk", "concern", "downside", "threat", "worr", "go wrong"),
    ),
    Intent.OUTLOOK: _any_of(
        *("전망", "앞으로", "향후", "예상", "예측", "다음 분기", "내년", "계획"),
        *("outlook", "forecast", "expect", "next year", "next quarter", "future", "predict"),
    ),
    Intent.WHY: _any_of("왜", "이유", "원인", "배경", "때문", "why", "reason", "cause", "driv"),
    Intent.FIGURES: _any_of(
        *("얼마", "수치", "숫자", "표로", "표를", "몇"),
        *("figure", "number", "table", "how much", "how many", "data\\b"),
    ),
    Intent.CHANGE: _any_of(
        *("달라", "변화", "변했", "바뀌", "바뀐", "비교", "지난해", "작년", "전년", "대비"),
        *("chang", "compar", "differ", "versus", "vs\\b", "year on year", "last year"),
    ),
}

# What a sentence that answers such a question says.
_EVIDENCE = {
    Intent.RISK: _any_of("위험", "우려", "불확실", "변수", "악재", "risk", "uncertain", "threat"),
    Intent.OUTLOOK: _any_of(
        *("전망", "예상", "계획", "목표", "예정", "내년"),
        *("expect", "forecast", "plan", "should", "until"),
    ),
    Intent.WHY: _any_of(
        *("때문", "영향", "덕분", "탓", "힘입어", "하면서", "데다", "이끌"),
        *("because", "due to", "owing", "after", "driven", "led by", "thanks to"),
    ),
    Intent.CHANGE: _any_of(
        *("지난해", "전년", "늘", "줄", "증가", "감소", "올랐", "내렸", "높아", "낮아", "보다"),
        *("than", "from", "rose", "fell", "gain", "lost", "slip", "up\\b", "down\\b", "improv"),
    ),
}
_FALL = _any_of(
    *("줄", "감소", "하락", "떨어", "내렸", "낮아", "나빠"),
    *("fall", "fell", "drop", "declin", "decreas", "lower", "lost", "slip", "worse", "cheaper"),
)
_RISE = _any_of(
    *("늘", "증가", "상승", "올랐", "오른", "높아", "급증", "좋아"),
    *("rise", "rose", "increas", "grew", "grow", "gain", "up\\b", "better", "improv", "higher"),
)

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9&'-]*[A-Za-z0-9]|\d*[가-힣]{2,}")
_KOREAN_FILLER = re.compile(
    "^(어떻|어떤|어때|어느|어디|무엇|무슨|뭐|뭔|누가|누구|언제|알려|설명|말해|보여|해줘|해주|주세요|부탁"
    "|그럼|그리고|그래서|이번|지금|현재|됐|되었|되나|있|없|인가|리포트|보고서|회사|대해|대한|관련|가장|제일"
    "|우리|여기|이거|그거|부문|품목|지역|분야|항목|업체|다시|자세|간단|조금|많이|얼마|궁금|요인|내용|결과|상황|문장|문단|쉽게)"
)
# A Korean question closes with its predicate, which says nothing about the topic.
_KOREAN_PREDICATE = re.compile("[어아야해줘요까지니나래죠게다줄돼]$")
_ENGLISH_FILLER_WORDS = """
about all also an and any are as at be been best better between by can could did do does doing
down earlier explain few first for from get give go going good got had happen happened happening
happens has have he hi how in into is it its just know last less let like list long look main
many may me mean more most much my need new not now of often ok on one only or our out over
perform performed please point quarter report say says sentence sentences she should show so
some something soon tell than that the their them there these they thing things this those to up
us want was we well were what when where which who will with word words worse worst would wrong
year you your
"""
_ENGLISH_FILLER = frozenset(_ENGLISH_FILLER_WORDS.split())
_ENGLISH_SUFFIX = re.compile(r"(?:'s|ing|ed|es|s|e)$")
_SHORTEST_STEM = 3
_SHORTEST_PREFIX = 2


def intent_of(question: str) -> Intent:
    """Return what `question` wants; an empty one wants a summary."""
    if not question.strip():
        return Intent.SUMMARY
    return next((kind for kind, asks in _ASKS.items() if asks.search(question)), Intent.TOPIC)


def keywords(text: str) -> tuple[str, ...]:
    """Return the words of `text` that name its topic, in their order, without particles."""
    words = [word for word in _WORD.findall(text) if not _is_filler(word)]
    return tuple(dict.fromkeys(noun(word) if is_korean(word) else word for word in words))


def closeness(keyword: str, text: str) -> float:
    """Return how well `text` names `keyword`: 1 fully, 0.5 nearly, 0 not at all."""
    if not is_korean(keyword):
        word = keyword.lower()
        stem = _ENGLISH_SUFFIX.sub("", word)
        stem = stem if len(stem) >= _SHORTEST_STEM else word
        return float(re.search(rf"\b{re.escape(stem)}", text.lower()) is not None)
    joined = text.replace(" ", "")  # compounds are written with and without spaces
    if keyword in joined:
        return 1.0
    # 매출액 is close to 매출, but 순이익 is not to 영업이익.
    shorter = keyword[:-1]
    return 0.5 if len(shorter) >= _SHORTEST_PREFIX and shorter in joined else 0.0


def mentions(intent: Intent, text: str) -> bool:
    """Return whether `text` says what answers a question of this kind."""
    evidence = _EVIDENCE.get(intent)
    return evidence is not None and evidence.search(text) is not None


def relevant(
    sentences: Sequence[str],
    *,
    question: str,
    intent: Intent,
    topic: Sequence[str],
    at_most: int,
) -> tuple[str, ...]:
    """Return the sentences that answer `question` best, in their own order."""
    scores: list[float] = []
    follows_topic = False
    for sentence in sentences:
        on_topic = 3.0 * sum(closeness(word, sentence) for word in topic)
        direction = _same_direction(question, sentence)
        answers = mentions(intent, sentence)
        # A reason often stands in the sentence after the fact and does not name it again.
        explains = 2.0 * (intent is Intent.WHY and follows_topic and answers and not on_topic)
        scores.append(on_topic + direction + 3.0 * answers + explains)
        follows_topic = on_topic > 0 or direction > 0
    # Nearly as good as the best is still to the point; less is padding.
    least = max(scores, default=0.0) * 2 / 3
    good = [i for i, score in enumerate(scores) if score > 0 and score >= least]
    chosen = sorted(good, key=lambda i: -scores[i])[:at_most]
    return tuple(sentences[i] for i in sorted(chosen))


def related(sentence: str, others: Sequence[str]) -> str:
    """Return the one of `others` that shares most words with `sentence`, or nothing."""
    words = keywords(sentence)
    shared = [sum(closeness(word, other) for word in words) for other in others]
    best = max(shared, default=0.0)
    return others[shared.index(best)] if best > 0 else ""


def _same_direction(question: str, sentence: str) -> int:
    rises, falls = _RISE.search(sentence), _FALL.search(sentence)
    if _FALL.search(question):
        return 1 if falls else -bool(rises)
    if _RISE.search(question):
        return 1 if rises else -bool(falls)
    return 0


def _is_filler(word: str) -> bool:
    if any(asks.search(word) for asks in _ASKS.values()):
        return True
    if is_korean(word):
        is_predicate = _KOREAN_PREDICATE.search(word) or _FALL.search(word) or _RISE.search(word)
        return bool(_KOREAN_FILLER.search(word) or is_predicate)
    return word.lower() in _ENGLISH_FILLER or bool(_FALL.search(word) or _RISE.search(word))
