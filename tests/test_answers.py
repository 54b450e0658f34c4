"""Answers come from the report, in the question's language, and are always the same."""

import json
import re
from pathlib import Path

import pytest

from gateway import dev
from gateway.backends.tokens import Tokenizer
from gateway.dev.openai_wire import Line
from gateway.dev.voice.answers import compose
from gateway.dev.voice.korean import is_korean, noun, polite
from gateway.dev.voice.prompt_reading import split_sentences

SAMPLES = json.loads(
    (Path(dev.__file__).parent / "sample_reports.json").read_text(encoding="utf-8")
)
REPORTS = {report["id"]: report for report in SAMPLES}
SAESOL, RAIL = "saesol-2026q3", "rail-punctuality-2026q3"
SUGGESTIONS = [(id_, question) for id_, r in REPORTS.items() for question in r["suggestions"]]
COMMON = {
    "ko": ["요약해 줘", "왜 줄었어?", "뭐가 달라졌어?", "앞으로 전망은?", "날씨 어때?", "안녕"],
    "en": ["Summarise", "What changed?", "What is the outlook?", "Why?", "Who is the CEO?", "Hi"],
}
ASKED = SUGGESTIONS + [(id_, q) for id_, r in REPORTS.items() for q in COMMON[r["locale"]]]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Load the tokenizer once."""
    return Tokenizer()


def prompt(report_id: str, *questions: str, instructions: str = "Answer.") -> list[Line]:
    """Return a conversation about a sample report."""
    report = REPORTS[report_id]
    body = f"# {report['headline']}\n\n{report['summary']}\n\n{report['figures']}"
    system = Line("system", f"{instructions}\n\n<report>\n{body}\n</report>")
    return [system, *(Line("user", question) for question in questions)]


@pytest.mark.parametrize(("report_id", "question"), ASKED)
def test_length_and_language(report_id: str, question: str, tokenizer: Tokenizer) -> None:
    """Every usual question gets 60 to 250 tokens in its language."""
    answer = compose(prompt(report_id, question))
    assert 60 <= tokenizer.count(answer) <= 250
    assert is_korean(answer) is is_korean(question)


@pytest.mark.parametrize(("report_id", "question"), SUGGESTIONS)
def test_numbers_are_the_reports(report_id: str, question: str) -> None:
    """No answer has a number that the report has not."""
    report = REPORTS[report_id]
    known = set(re.findall(r"\d[\d.,]*", " ".join(map(str, report.values()))))
    assert set(re.findall(r"\d[\d.,]*", compose(prompt(report_id, question)))) <= known


def test_same_prompt_same_answer() -> None:
    """The same prompt always gets the same answer."""
    assert len({compose(prompt(SAESOL, "영업이익은 왜 줄었어?")) for _ in range(3)}) == 1


def test_topic_and_rows() -> None:
    """An answer names its topic, quotes the report politely and shows the topic's rows."""
    answer = compose(prompt(SAESOL, "영업이익은 어떻게 됐어?"))
    assert "**영업이익**" in answer.split("\n")[0]
    assert "961억 원으로 **14.4%** 줄었고" in answer
    assert "| 영업이익 | 1,123 | 961 | −14.4% |" in answer  # noqa: RUF001
    assert "| 순이익 |" not in answer


def test_reason_behind_a_fact() -> None:
    """Why something fell is answered with the reason, which stands in the next sentence."""
    assert "알루미늄 가격이 오른 데다" in compose(prompt(SAESOL, "영업이익은 왜 줄었어?"))


def test_why_after_a_topic() -> None:
    """A bare "why" is about what was asked before."""
    answer = compose(prompt(SAESOL, "영업이익은 어떻게 됐어?", "왜 줄었어?"))
    assert "영업이익" in answer.split("\n")[0]
    assert "알루미늄" in answer


def test_most_fitting_row() -> None:
    """Of two tables that match, the row that matches most words is shown."""
    answer = compose(prompt(SAESOL, "전장 매출은 얼마나 늘었어?"))
    assert "| 전장 | 3,120 | 4,212 | +35.0% |" in answer
    assert "매출액" not in answer


def test_row_without_a_sentence() -> None:
    """A topic that only a table has is answered with its row, not with another topic's words."""
    answer = compose(prompt(SAESOL, "순이익 알려 줘"))
    assert "| 순이익 | 874 | 756 |" in answer
    assert "영업이익은" not in answer


def test_thanks_and_a_question() -> None:
    """A question behind a thank-you is answered; bold text of the report stays as it is."""
    answer = compose(prompt("battery-exports-2026q3", "고마워! 그럼 GDP는?"))
    assert "**GDP(국내총생산)**은 앞 분기보다 0.6% 늘었고" in answer


def test_two_far_words_are_not_one_topic() -> None:
    """The opening names two words as one topic only where the question has them together."""
    near, far = "What about shop prices?", "What do prices mean for the harvest?"
    openings = [compose(prompt("coffee-outlook-2026-27", q)).split("\n")[0] for q in (near, far)]
    assert "**shop prices**" in openings[0]
    assert "**prices**" in openings[1]


def test_change_in_english() -> None:
    """What changed is answered with the sentences and the table that compare."""
    answer = compose(prompt(RAIL, "What changed compared with last year?"))
    assert "up from 80.3% a year earlier" in answer
    assert "| Baltra | 74.5% | 72.8% |" in answer


def test_risks_in_english() -> None:
    """The risks are those the report names."""
    assert "shortage of drivers" in compose(prompt(RAIL, "List the risks"))


@pytest.mark.parametrize(
    ("report_id", "question", "says"),
    [(SAESOL, "오늘 날씨 어때?", "**날씨**"), (RAIL, "Who is the CEO?", "**CEO**")],
)
def test_not_in_the_report(report_id: str, question: str, says: str) -> None:
    """What the report does not cover is said, and what it covers is offered."""
    answer = compose(prompt(report_id, question))
    assert says in answer.split("\n")[0]
    assert answer.count("\n- ") >= 3


@pytest.mark.parametrize("instructions", ["Be brief.", "짧게 답하세요."])
@pytest.mark.parametrize(("report_id", "question"), ASKED)
def test_brief(report_id: str, question: str, instructions: str) -> None:
    """Asked to be brief, the answer is at most two sentences and no list."""
    answer = compose(prompt(report_id, question, instructions=instructions))
    assert 1 <= len(split_sentences(answer)) <= 2
    assert "\n" not in answer


def test_brief_in_the_report() -> None:
    """The word "brief" in the report itself does not shorten answers."""
    report = "<report>\n# Briefing\n\nA brief text. It has two sentences.\n</report>"
    assert "\n" in compose([Line("system", report), Line("user", "Summarise")])


def test_other_language() -> None:
    """A question in the other language is answered in it, around the report's own sentences."""
    answer = compose(prompt(SAESOL, "What are the risks?"))
    assert answer.startswith(("The report names these", "These are the"))
    assert "환율 변동" in answer


@pytest.mark.parametrize("question", ["", "???", "<report>", "\ud800", "왜", "|" * 500, "**"])
def test_odd_questions(question: str) -> None:
    """An odd question still gets an answer."""
    assert compose(prompt(RAIL, question))


@pytest.mark.parametrize("report", ["", "#", "# Title only", "# T\n\n|||\n|-|\n", "# T\n\n| a |"])
def test_odd_reports(report: str) -> None:
    """A report without sentences or with a broken table still gets an answer."""
    for question in ("Summarise", "Show the figures", "What about a T?", "hello", "weather?"):
        assert compose([Line("system", f"<report>{report}</report>"), Line("user", question)])


@pytest.mark.parametrize("question", ["Hello?", "안녕?", ""])
def test_no_report(question: str) -> None:
    """Without a report the answer says so."""
    assert compose([Line("user", question)]).startswith(("No report", "이 대화에는"))


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        ("줄었다.", "줄었습니다."),
        ("예상한다.", "예상합니다."),
        ("늘어난다.", "늘어납니다."),
        ("읽는다.", "읽습니다."),
        ("덕분이다.", "덕분입니다."),
        ("추세다.", "추세입니다."),
        ("필요하다.", "필요합니다."),
        ("길다.", "깁니다."),
        ("**높다.**", "**높습니다.**"),
        ("It fell.", "It fell."),
    ],
)
def test_polite(plain: str, expected: str) -> None:
    """Plain Korean sentence endings become polite ones."""
    assert polite(plain) == expected


@pytest.mark.parametrize(
    ("word", "expected"), [("영업이익은", "영업이익"), ("유럽에서는", "유럽"), ("매출", "매출")]
)
def test_noun(word: str, expected: str) -> None:
    """A noun is found under its particle."""
    assert noun(word) == expected
