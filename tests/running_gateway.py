"""A whole gateway for tests: real sockets, real Postgres and Redis, the simulator as its upstream."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from gateway.app import create_app
from gateway.backends.tokens import Tokenizer
from gateway.config import load
from gateway.dev.simulator import SEEN, SimulatorLog, SimulatorOptions, create_simulator
from gateway.serve import listening
from gateway.web.ops import create_ops_app

FLAT_OUT = SimulatorOptions(tokens_per_second=0, first_token_seconds=0)
_tokenizer: Tokenizer | None = None


@dataclass(frozen=True)
class RunningGateway:
    """Where it listens (http), the application, and what its upstream saw."""

    url: str
    ops_url: str
    app: web.Application
    upstream: SimulatorLog
    upstream_url: str


@asynccontextmanager
async def running_gateway(
    *,
    database: str,
    redis: str = "",
    options: SimulatorOptions = FLAT_OUT,
    key: str = "sk-test",
    **settings: str,
) -> AsyncIterator[RunningGateway]:
    """Run a gateway; `settings` are named as in the environment, e.g. `cost_request_usd="0.01"`."""
    simulator = create_simulator(shared_tokenizer(), options=options)
    async with listening(simulator, host="127.0.0.1", port=0) as upstream_port:
        upstream_url = f"http://127.0.0.1:{upstream_port}/v1"
        environ = {
            "DATABASE_URL": database,
            "REDIS_URL": redis,
            "OPENAI_API_KEY": key,
            "OPENAI_BASE_URL": upstream_url,
            "GATEWAY_OPENAI_MODEL": "sim-plain",
        } | {f"GATEWAY_{name.upper()}": value for name, value in settings.items()}
        app = create_app(load(environ=environ), simulated=True)
        async with (
            listening(create_ops_app(app), host="127.0.0.1", port=0) as ops_port,
            listening(app, host="127.0.0.1", port=0) as port,
        ):
            yield RunningGateway(
                url=f"http://127.0.0.1:{port}",
                ops_url=f"http://127.0.0.1:{ops_port}",
                app=app,
                upstream=simulator[SEEN],
                upstream_url=upstream_url,
            )


def shared_tokenizer() -> Tokenizer:
    """Return one tokenizer for all tests: loading it takes half a second."""
    global _tokenizer
    if _tokenizer is None:
        _tokenizer = Tokenizer()
    return _tokenizer
