"""Read the report, the question and the wished-for length out of a prompt."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.dev.openai_wire import Line

_REPORT = re.compile(r"<report>(.*)</report>", re.DOTALL)
_BRIEF = re.compile(r"\bbrief|짧게", re.IGNORECASE)
_INSTRUCTING = frozenset({"system", "developer"})
# A full stop ends a sentence when something new begins after it; "U.S. exports" and "3.5%" go on.
_SENTENCE_END = re.compile(
    r"(?<![A-Z]\.[A-Z])(?<=[.!?])[\"')\]*”\u2019]*\s+(?=[\"'(\[*“\u2018]*[A-Z0-9가-힣])"
)
_CAPTION_EXTRAS = re.compile(r"^(?:표|그림|Table|Figure)\s*\d+[.:]?\s*|\s*[(,].*$")
_RULE_ROW = re.compile(r"^\|[\s:|-]+\|$")
_MARKS = "*_#> "


@dataclass(frozen=True)
class Table:
    """A table of the report, cells as their text."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def title(self) -> str:
        """The caption without its number and units."""
        return _CAPTION_EXTRAS.sub("", self.caption).strip()

    @property
    def labels(self) -> tuple[str, ...]:
        """What the rows are about."""
        return tuple(row[0].strip(_MARKS) for row in self.rows if row[0].strip(_MARKS))


@dataclass(frozen=True)
class Report:
    """A report as the prompt carries it."""

    headline: str
    summary: tuple[str, ...]  # sentences
    tables: tuple[Table, ...]
    notes: tuple[str, ...]  # sentences that stand below a table

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that the report says in prose."""
        return self.summary + self.notes

    @property
    def title(self) -> str:
        """The headline without what follows its colon."""
        return self.headline.partition(":")[0].strip()

    @property
    def text(self) -> str:
        """All the words of the report."""
        cells = (c for t in self.tables for row in (t.header, *t.rows, (t.caption,)) for c in row)
        return " ".join((self.headline, *self.sentences, *cells))


@dataclass(frozen=True)
class Reading:
    """What an answer needs to know of a prompt."""

    report: Report | None
    question: str
    earlier_question: str
    brief: bool


def read_prompt(lines: Sequence[Line]) -> Reading:
    """Return what `lines` ask for; the report stands between <report> tags in the instructions."""
    instructions = "\n".join(line.content for line in lines if line.role in _INSTRUCTING)
    found = _REPORT.search(instructions)
    questions = [line.content for line in lines if line.role == "user"] or [""]
    return Reading(
        report=_read_report(found[1]) if found else None,
        question=questions[-1],
        earlier_question=questions[-2] if len(questions) > 1 else "",
        # A report may well contain the word "brief".
        brief=_BRIEF.search(_REPORT.sub("", instructions)) is not None,
    )


def split_sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of `text`, each with its closing marks."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    starts = [0, *ends]
    parts = (text[start:end].strip() for start, end in zip(starts, [*ends, len(text)], strict=True))
    return tuple(part for part in parts if part)


def _read_report(text: str) -> Report:
    headline, _, body = text.strip().partition("\n")
    summary: list[str] = []
    notes: list[str] = []
    tables: list[Table] = []
    caption = ""
    for block in re.split(r"\n\s*\n", body.strip()):
        lines = [line.strip() for line in block.splitlines()]
        rows = [line for line in lines if line.startswith("|")]
        prose = " ".join(line for line in lines if line and not line.startswith("|"))
        if prose and not prose.rstrip(_MARKS).endswith((".", "!", "?")):
            caption = prose.strip(_MARKS)
        elif prose:
            (notes if tables else summary).extend(split_sentences(prose))
        if rows:
            tables.append(_read_table(rows, caption=caption))
            caption = ""
    return Report(headline.strip(_MARKS), tuple(summary), tuple(tables), tuple(notes))


def _read_table(lines: list[str], *, caption: str) -> Table:
    cells = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in lines
        if not _RULE_ROW.match(line)
    ]
    return Table(caption, cells[0] if cells else (), tuple(cells[1:]))
