"""Compose an answer from the report and the question in a prompt, the same for the same prompt."""

from collections.abc import Sequence

from gateway.dev.openai_wire import Line
from gateway.dev.voice.answer_parts import (
    coverage,
    follow_up,
    pick,
    points,
    quote,
    render,
    topical_rows,
)
from gateway.dev.voice.korean import is_korean
from gateway.dev.voice.phrases import ENGLISH, KOREAN, Phrases
from gateway.dev.voice.prompt_reading import Reading, Report, Table, read_prompt, split_sentences
from gateway.dev.voice.relevance import Intent, closeness, intent_of, keywords, related, relevant

SENTENCES = 3
SENTENCES_BESIDE_TABLE = 2
BRIEF_SENTENCES = 2
_ASKS_FOR_NUMBERS = frozenset({Intent.FIGURES, Intent.CHANGE})


def compose(lines: Sequence[Line]) -> str:
    """Return a Markdown answer to the last question, in its language, from the report alone."""
    reading = read_prompt(lines)
    report = reading.report
    phrases = KOREAN if is_korean(reading.question or (report.text if report else "")) else ENGLISH
    if report is None:
        return _without_list(phrases.no_report) if reading.brief else phrases.no_report
    return _answer(reading, report=report, phrases=phrases)


def _answer(reading: Reading, *, report: Report, phrases: Phrases) -> str:
    intent = intent_of(reading.question)
    words = keywords(reading.question)
    topic = _covered(words, report=report)
    if intent is Intent.GREETING and not topic:
        return _offer(phrases.greeting, reading=reading, report=report, phrases=phrases)
    if intent is Intent.GREETING:  # "Thanks! And the exports?"
        intent = Intent.TOPIC
    is_foreign = is_korean(report.text) is not (phrases is KOREAN)
    # Words of another language are never found: that says nothing about the report.
    if words and not topic and intent is not Intent.SUMMARY and not is_foreign:
        refusal = pick(phrases.not_covered, question=reading.question).format(topic=words[0])
        opening = f"{refusal}\n\n{phrases.covers}"
        return _offer(opening, reading=reading, report=report, phrases=phrases)
    if intent is Intent.WHY and not topic:  # "Why did it fall?": what was asked about before
        topic = _covered(keywords(reading.earlier_question), report=report)
    table = _table(report, intent=intent, topic=topic)
    sentences = _sentences(reading, report=report, intent=intent, topic=topic, table=table)
    if reading.brief:
        said = sentences or report.summary or (report.headline,)
        return " ".join(quote(sentence) for sentence in said[:BRIEF_SENTENCES])
    opening = _opening(reading, report=report, intent=intent, topic=topic, phrases=phrases)
    parts = [
        f"{opening} {phrases.foreign_report}" if is_foreign else opening,
        points(sentences, lead=intent is Intent.TOPIC),
        render(table, phrases=phrases) if table else "",
    ]
    if table is None and len(sentences) == 1:
        parts.append(_context(sentences[0], report=report, phrases=phrases))
    if sum(map(len, parts)) < phrases.long_enough:
        invitation = follow_up(
            report, question=reading.question, intent=intent, shown=table, phrases=phrases
        )
        parts.append(invitation)
    return "\n\n".join(part for part in parts if part)


def _covered(words: Sequence[str], *, report: Report) -> tuple[str, ...]:
    return tuple(word for word in words if closeness(word, report.text))


def _table(report: Report, *, intent: Intent, topic: Sequence[str]) -> Table | None:
    if topic:
        return topical_rows(report, topic=topic)
    return next(iter(report.tables), None) if intent in _ASKS_FOR_NUMBERS else None


def _sentences(
    reading: Reading,
    *,
    report: Report,
    intent: Intent,
    topic: Sequence[str],
    table: Table | None,
) -> tuple[str, ...]:
    at_most = SENTENCES_BESIDE_TABLE if table else SENTENCES
    if intent is Intent.SUMMARY:
        return report.summary[:at_most]
    chosen = relevant(
        report.sentences, question=reading.question, intent=intent, topic=topic, at_most=at_most
    )
    return chosen if chosen or table else report.summary[:at_most]


def _opening(
    reading: Reading, *, report: Report, intent: Intent, topic: Sequence[str], phrases: Phrases
) -> str:
    kinds = phrases.about_topic if topic and intent in phrases.about_topic else phrases.in_general
    opening = pick(kinds[intent], question=reading.question)
    pair = " ".join(topic[:2])
    # "전장 매출" is one topic; two words from far apart would be a strange one.
    named = pair if pair in reading.question else topic[0] if topic else ""
    return opening.format(topic=named, title=report.title)


def _context(sentence: str, *, report: Report, phrases: Phrases) -> str:
    near = related(sentence, [other for other in report.summary if other != sentence])
    return phrases.context.format(sentence=quote(near)) if near else ""


def _offer(opening: str, *, reading: Reading, report: Report, phrases: Phrases) -> str:
    said = opening.format(title=report.title)
    if reading.brief:
        return _without_list(said)
    return f"{said}\n\n{coverage(report, phrases=phrases)}"


def _without_list(text: str) -> str:
    first, *_ = text.split("\n\n")
    return " ".join(split_sentences(first)[:BRIEF_SENTENCES])
