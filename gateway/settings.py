"""Everything an operator can set, with its default; one Struct for a section of `gateway.ini`."""

from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, NewType

import msgspec
from msgspec import Meta

from gateway.chat.pricing import ModelFacts
from gateway.logs import LogFormat, LogLevel

Port = Annotated[int, Meta(ge=0, le=65_535)]
# What Postgres calls an integer: some of them are asked of it.
Positive = Annotated[int, Meta(ge=1, le=2_147_483_647)]
Seconds = Annotated[float, Meta(gt=0)]
# Nothing is no address: as one it would mean every address this machine has.
Host = Annotated[str, Meta(min_length=1)]
Model = Annotated[str, Meta(min_length=1)]
# A turn is given up that was silent for 3.5 seconds (chat/checkpoints.py).
CheckpointSeconds = Annotated[float, Meta(gt=0, le=2)]
# http:// or https://
Address = NewType("Address", str)
Network = IPv4Network | IPv6Network
# It goes into a header: a curly quote or a second line would fail there, at every question.
ApiKey = NewType("ApiKey", str)


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where we listen, and to whom."""

    host: Host = "127.0.0.1"
    port: Port = 8080
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[Network, ...] = (IPv4Network("127.0.0.1"),)
    max_connections: Positive = 10_000
    max_connections_per_ip: Positive = 50
    reuse_port: bool = False
    ops_host: Host = "127.0.0.1"
    # 0: none
    ops_port: Port = 9080
    drain_seconds: Seconds = 25.0


class OpenAI(msgspec.Struct, frozen=True, kw_only=True):
    """The upstream."""

    api_key: ApiKey = ApiKey("")
    base_url: Address = Address("https://api.openai.com/v1")
    model: Model = "gpt-4o-mini"
    fallback_model: str = ""
    max_output_tokens: Positive = 1024
    min_output_tokens: Positive = 64


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What one question may be, how many there may be, and how long one may take."""

    message_chars: Positive = 8000
    messages_per_minute: Positive = 20
    slow_notice_seconds: Seconds = 2.0
    first_chunk_seconds: Seconds = 20.0
    stall_seconds: Seconds = 15.0
    turn_seconds: Seconds = 120.0


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """The three caps, in dollars."""

    request_usd: Decimal = Decimal("0.05")
    session_usd: Decimal = Decimal("1.00")
    day_usd: Decimal = Decimal("50.00")


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a conversation a prompt repeats."""

    history_messages: Annotated[int, Meta(ge=0, le=10_000)] = 20
    history_tokens: Annotated[int, Meta(ge=0)] = 6000


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """How answers survive."""

    grace_seconds: Seconds = 30.0
    checkpoint_seconds: CheckpointSeconds = 1.0


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Postgres."""

    url: str = ""
    pool_size: Positive = 10


class RedisSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Redis, or none where `url` is empty."""

    url: str = ""
    ttl_seconds: Positive = 86_400


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """What is logged, and how it looks."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.JSON


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP side of the protocol."""

    enabled: bool = True


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an operator can set; one attribute for a section."""

    server: Server = Server()
    openai: OpenAI = OpenAI()
    limits: LimitSettings = LimitSettings()
    cost: Cost = Cost()
    context: Context = Context()
    resume: Resume = Resume()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    log: Log = Log()
    rest: Rest = Rest()
    models: dict[str, ModelFacts] = {}
