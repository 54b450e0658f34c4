"""Once configured, all a process says on standard error is JSON without what people wrote."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CANARY = "canary-4711"
SETUP = f"""
import asyncio, logging, os, sys, threading, warnings
from gateway.logs import LogFormat, LogLevel, configure, log_unhandled
CANARY = "{CANARY}"
configure(level=LogLevel[os.environ["LEVEL"]], format=LogFormat(os.environ["FORMAT"]))
"""
# Each of these writes the canary to standard error when nobody takes care.
LEAKS = {
    "warning": "warnings.warn(CANARY)",
    "uncaught": "raise ValueError(CANARY)",
    "uncaught with a cause": """
        try: raise KeyError(CANARY)
        except KeyError as error: raise ValueError(CANARY) from error""",
    "syntax": "exec(CANARY + ' =')",
    "group": "raise ExceptionGroup(CANARY, [ValueError(CANARY)])",
    "thread": """
        def fail(): raise ValueError(CANARY)
        thread = threading.Thread(target=fail, name=CANARY); thread.start(); thread.join()""",
    "finalizer": """
        class Leaky:
            def __del__(self): raise ValueError(CANARY)
        Leaky()""",
    "library": "logging.getLogger('openai').error('Request options: %s', CANARY)",
    "bad arguments": "logging.getLogger('openai').error('%d', CANARY)",
    "too many arguments": "logging.getLogger('gateway.x').error('a.b', CANARY)",
    "task": """
        async def fail(): raise ValueError(CANARY)
        async def main():
            task = asyncio.create_task(fail(), name=CANARY); await asyncio.sleep(0); del task
        asyncio.run(main())""",
    "callback": """
        def fail(): raise ValueError(CANARY)
        async def main():
            asyncio.get_running_loop().call_soon(fail); await asyncio.sleep(0)
        asyncio.run(main())""",
    "loop": """
        async def main():
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(log_unhandled)
            loop.call_exception_handler({"message": CANARY, "exception": ValueError(CANARY)})
            loop.call_exception_handler({"message": CANARY})
        asyncio.run(main())""",
    "coroutine never awaited": """
        async def main(): ...
        main.__qualname__ = main.__name__ = CANARY
        main()""",
}


def run(script: str, *, level: str = "DEBUG", format: str = "json") -> str:
    """Return what a process that runs `script` says on standard error."""
    lines = script.strip("\n").split("\n")
    indent = len(lines[0]) - len(lines[0].lstrip())
    code = "\n".join(line[indent:] for line in lines)
    environ = {"LEVEL": level, "FORMAT": format, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", SETUP + code],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    return done.stderr


def lines_of(text: str) -> list[dict[str, Any]]:
    """Return every line as the object it is."""
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("script", LEAKS.values(), ids=LEAKS)
def test_json(script: str) -> None:
    """It is told, as JSON, and without the canary."""
    said = run(script)

    assert CANARY not in said
    assert lines_of(said)


@pytest.mark.parametrize("script", LEAKS.values(), ids=LEAKS)
def test_text(script: str) -> None:
    """As text it is told without the canary, too."""
    said = run(script, format="text")

    assert said
    assert CANARY not in said


def test_uncaught() -> None:
    """An uncaught error is the process's last line, with its type and places."""
    (line,) = lines_of(run("def crash(): raise ValueError\ncrash()"))

    assert (line["event"], line["level"]) == ("process.crashed", "CRITICAL")
    assert line["error_type"] == "ValueError"
    assert line["traceback"][-2].endswith(" crash")


def test_level() -> None:
    """What is below the level is not told."""
    script = """
        for name in ("gateway.x", "some.library"):
            logging.getLogger(name).info("a.b"); logging.getLogger(name).warning("c.d")"""

    said = lines_of(run(script, level="WARNING"))
    assert [line["event"] for line in said] == ["c.d", "library"]


def test_chatty_libraries() -> None:
    """Libraries that tell of every request are not heard at INFO."""
    script = (
        "logging.getLogger('aiohttp.access').info('GET'); logging.getLogger('openai').info('POST')"
    )

    assert run(script, level="INFO") == ""


def test_openai_log_variable() -> None:
    """The SDK's own switch, OPENAI_LOG, does not bring its own lines."""
    script = f"""
        os.environ["OPENAI_LOG"] = "debug"
        import gateway.backends.openai_client
        configure(level=LogLevel.INFO, format=LogFormat.JSON)
        logging.getLogger("openai").warning("{CANARY}")"""

    said = run(script)
    assert [line["event"] for line in lines_of(said)] == ["library"]
