"""What the guards cost a chunk: CPU time of the meter and of the stall deadline.

`python -m tests.bench.guard_cost`
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Sequence

from gateway.chat.guard import Deadlines
from gateway.chat.meter import Meter
from gateway.dev.openai_wire import Line
from gateway.dev.pieces import pieces
from gateway.dev.voice.long_answers import long_answer
from tests.builders import a_report
from tests.running_gateway import shared_tokenizer

CHUNKS = 200
RUNS = 7
# Answers in one run: so many that the clock's own cost does not count.
ANSWERS = 200
MOST_MICROSECONDS = 3.0
USUAL_LIMIT = 1024
QUESTIONS = {"Korean": "요약해 줘", "English": "Summarise the report"}

Run = Callable[[Sequence[str]], None]


def chunks_of(question: str) -> list[str]:
    """Return the first chunks of an answer, each one token or the few that make one character."""
    tokenizer, report = shared_tokenizer(), a_report()
    lines = [Line("system", report.summary), Line("user", question)]
    text = long_answer(lines, count=tokenizer.count)
    return [piece.text for piece in pieces(text, tokenizer=tokenizer)][:CHUNKS]


def microseconds(run: Run, chunks: Sequence[str]) -> float:
    """Return the median CPU time of a chunk over several runs."""
    times = []
    for _ in range(RUNS):
        began = time.process_time_ns()
        for _ in range(ANSWERS):
            run(chunks)
        times.append((time.process_time_ns() - began) / 1000 / ANSWERS / len(chunks))
    return statistics.median(times)


def guarded(limit: int) -> Run:
    """Return what happens to the chunks of one answer."""
    tokenizer, loop = shared_tokenizer(), asyncio.get_running_loop()

    def run(chunks: Sequence[str]) -> None:
        meter = Meter(tokenizer, limit=limit)
        deadlines = Deadlines(loop, turn=120, first_chunk=20, stall=15)
        for chunk in chunks:
            if not meter.admit(chunk):
                raise AssertionError("the limit was to be kept")
            deadlines.content()

    return run


def nothing(chunks: Sequence[str]) -> None:
    """Do what is left without guards."""
    for _ in chunks:
        pass


async def main() -> int:
    """Print the table; the exit status says whether the promise was kept."""
    tokenizer = shared_tokenizer()
    print(f"{CHUNKS} chunks, CPU µs for a chunk, median of {RUNS} runs of {ANSWERS} answers\n")
    print("| answer | limit (tokens) | of it used | µs |\n|---|---:|---:|---:|")
    worst = 0.0
    for language, question in QUESTIONS.items():
        chunks = chunks_of(question)
        tokens = tokenizer.count("".join(chunks))
        floor = microseconds(nothing, chunks)
        for limit in (USUAL_LIMIT, tokens * 100 // 95, tokens):
            cost = microseconds(guarded(limit), chunks) - floor
            worst = max(worst, cost)
            print(f"| {language} | {limit} | {tokens / limit:.0%} | {cost:.2f} |")
    print(f"\nat most {worst:.2f} µs; promised: below {MOST_MICROSECONDS:.0f} µs")
    return int(worst >= MOST_MICROSECONDS)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
