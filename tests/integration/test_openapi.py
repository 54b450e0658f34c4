"""docs/openapi.yaml is true: its calls are ours, our responses fit it, and schemathesis finds nothing."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import hdrs
from jsonschema import Draft202012Validator

from gateway.backends.postgres import Database
from gateway.backends.store import PostgresStore
from gateway.chat.codes import Code
from gateway.dev.embedded_server import EmbeddedServer
from gateway.web.problems import STATUS
from tests import openapi
from tests.http_client import HttpClient
from tests.integration.helpers import REPORT, question
from tests.integration.money import OPEN_DOOR
from tests.running_gateway import FLAT_OUT, RunningGateway, running_gateway

DOCUMENT = openapi.read()
# Not calls: the page, its files, and the WebSocket.
ELSEWHERE = ("/", "/static/{path}", "/ws", "/selftest/ws")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "missing_required_header",
    "ignored_auth",
)
SEED = 20260101


@pytest.fixture
async def gateway(store: PostgresStore, postgres: EmbeddedServer) -> AsyncIterator[RunningGateway]:
    """A gateway with a report."""
    await store.import_reports([REPORT])
    async with running_gateway(
        database=postgres.url, options=FLAT_OUT, cost_session_usd="50", **OPEN_DOOR
    ) as gateway:
        yield gateway


def fits(body: object, *, path: str, method: str, status: int) -> None:
    """Check that a response is as the document says."""
    response = DOCUMENT["paths"][path][method]["responses"][str(status)]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    (schema,) = [c["schema"] for kind, c in response["content"].items() if "json" in kind]
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(body)


def test_schemas_are_ours() -> None:
    """Every schema is that of its Struct (`python -m tests.openapi` writes them)."""
    described = DOCUMENT["components"]["schemas"]
    made = openapi.schemas()
    assert {name: described.get(name) for name in made} == made
    assert set(described) - set(made) == {"Answer", "Events"}


async def test_calls_are_ours(gateway: RunningGateway) -> None:
    """Every call there is stands in the document, and no other."""
    ours = {
        (route.resource.canonical, route.method)
        for route in gateway.app.router.routes()
        if route.resource is not None
        and route.method != hdrs.METH_HEAD
        and route.resource.canonical not in ELSEWHERE
    }
    told = {
        (path, method.upper())
        for path, item in DOCUMENT["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert told == ours


@pytest.mark.parametrize("code", sorted(Code))
def test_statuses_are_told(code: Code) -> None:
    """Every status a question can end with stands at the call that asks, with the code's name."""
    responses = DOCUMENT["paths"]["/api/messages"]["post"]["responses"]
    if code in (Code.UNKNOWN_TURN, Code.REPORT_NOT_FOUND):
        responses = DOCUMENT["paths"]["/api/turns/{turn_id}"]["get"]["responses"]
    name = responses[str(STATUS[code].value)]["$ref"].rpartition("/")[2]
    assert f"`{code.value}`" in DOCUMENT["components"]["responses"][name]["description"]


async def test_responses_fit(gateway: RunningGateway) -> None:
    """What every call really answers is as the document says."""
    async with HttpClient.connect(gateway.url, report_id=REPORT.id) as client:
        _, answer = await client.ask(question())
        turn_id = answer["turn_id"]
        fits(client.ready, path="/api/sessions", method="post", status=201)
        fits(answer, path="/api/messages", method="post", status=200)
        for template in DOCUMENT["paths"]:
            if "get" not in DOCUMENT["paths"][template] or template.endswith("/events"):
                continue
            path = template.replace("{id}", REPORT.id).replace("{turn_id}", turn_id)
            status, body = await client.call("GET", path)
            assert status == 200
            fits(body, path=template, method="get", status=200)
        async for event in client.follow(turn_id):
            data = DOCUMENT["components"]["schemas"]["Events"]["properties"]["data"]
            schema = {**data["contentSchema"], "components": DOCUMENT["components"]}
            Draft202012Validator(schema).validate(event.frame)


async def test_problems_fit(gateway: RunningGateway) -> None:
    """What a call answers when it refuses is as the document says."""
    async with HttpClient.connect(gateway.url) as client:
        status, body = await client.call("POST", "/api/messages", data=b"{")
        fits(body, path="/api/messages", method="post", status=status)
        status, body = await client.call("GET", f"/api/turns/{uuid4()}")
        fits(body, path="/api/turns/{turn_id}", method="get", status=status)


@pytest.mark.parametrize("examples", [2, pytest.param(100, marks=pytest.mark.stress)])
async def test_schemathesis(
    gateway: RunningGateway, database: Database, examples: int, tmp_path: Path
) -> None:
    """Made-up calls, good and bad, are answered as the document says."""
    binary = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert binary is not None
    async with HttpClient.connect(gateway.url, report_id=REPORT.id) as client:
        await client.ask(question())
        process = await asyncio.create_subprocess_exec(
            *(binary, "run", str(openapi.FILE), "--url", gateway.url, "--no-color"),
            *("--header", f"Authorization: Bearer {client.ready['session']}"),
            *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"),
            # Each of its answers takes a second.
            *("--exclude-path", "/selftest/events"),
            *("--max-examples", str(examples), "--seed", str(SEED), "--workers", "1"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
