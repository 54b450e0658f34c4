"""The parts an answer is made of: quoted sentences, rows of a table, what else can be asked."""

import re
import zlib
from collections.abc import Sequence

from gateway.dev.voice.korean import polite
from gateway.dev.voice.phrases import Phrases
from gateway.dev.voice.prompt_reading import Report, Table
from gateway.dev.voice.relevance import Intent, closeness, mentions

ROWS = 4
FOLLOW_UPS = 2
_SHARE = re.compile(r"[+\-−]?\d+(?:\.\d+)?%p?")  # noqa: RUF001 - reports set a true minus sign
# Out of its paragraph a sentence must not lean on the one before it.
_CONNECTIVE = re.compile(r"^(?:반면에?|다만|그러나|하지만|또한|한편|However,|But|Meanwhile,)\s+")


def pick(variants: Sequence[str], *, question: str) -> str:
    """Return one of `variants`, always the same for the same question."""
    # crc32, not hash(): the same in every process.
    return variants[zlib.crc32(question.encode("utf-8", "replace")) % len(variants)]


def quote(sentence: str) -> str:
    """Return a sentence of the report, politely, with its first percentage in bold."""
    alone = _CONNECTIVE.sub("", sentence)
    polished = polite(alone[:1].upper() + alone[1:])
    if "**" in polished:
        return polished
    return _SHARE.sub(lambda match: f"**{match[0]}**", polished, count=1)


def points(sentences: Sequence[str], *, lead: bool) -> str:
    """Return sentences as a list; with `lead` the first stands before it."""
    quoted = [quote(sentence) for sentence in sentences]
    if len(quoted) < 2:
        return "".join(quoted)
    listed = "\n".join(f"- {sentence}" for sentence in quoted[lead:])
    return f"{quoted[0]}\n\n{listed}" if lead else listed


def topical_rows(report: Report, *, topic: Sequence[str]) -> Table | None:
    """Return the table that speaks of `topic`, with the rows that do so best."""
    best, found = 0.0, None
    for table in report.tables:
        scores = [
            sum(closeness(word, f"{row[0]} {table.caption}") for word in topic)
            for row in table.rows
        ]
        top = max(scores, default=0.0)
        if top > best:
            rows = (row for row, score in zip(table.rows, scores, strict=True) if score == top)
            best, found = top, Table(table.caption, table.header, tuple(rows))
    return found


def render(table: Table, *, phrases: Phrases) -> str:
    """Return the first rows of `table` under its caption, in Markdown."""
    lines = [table.header, ("---",) * len(table.header), *table.rows[:ROWS]]
    drawn = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"**{table.caption or phrases.figures}**\n\n{drawn}"


def coverage(report: Report, *, phrases: Phrases) -> str:
    """Return a list of what the report can be asked about."""
    subjects = [
        f"**{table.title}**: {', '.join(table.labels[:ROWS])}" if table.title else table.labels[0]
        for table in report.tables
        if table.labels
    ]
    themes = [f"**{theme[:1].upper()}{theme[1:]}**" for theme in _themes(report, phrases=phrases)]
    covered = [*subjects, *themes] or [quote(s) for s in report.sentences[:ROWS]]
    return "\n".join(f"- {subject}" for subject in covered)


def follow_up(
    report: Report, *, question: str, intent: Intent, shown: Table | None, phrases: Phrases
) -> str:
    """Return an invitation to ask about something the answer does not already show."""
    seen = shown.title if shown else ""
    tables = [table.title for table in report.tables if table.title not in ("", seen)]
    themes = _themes(report, phrases=phrases, but=intent)
    fresh = [*tables[-1:], *themes][:FOLLOW_UPS]
    if not fresh:
        return ""
    subjects = ", ".join(phrases.quoted.format(subject=subject) for subject in fresh)
    return pick(phrases.follow_up, question=question).format(subjects=subjects)


def _themes(report: Report, *, phrases: Phrases, but: Intent | None = None) -> list[str]:
    return [
        theme
        for intent, theme in phrases.themes.items()
        if intent is not but and any(mentions(intent, s) for s in report.sentences)
    ]
