"""Who is let in: pages of ours and no others, and no more connections than there is room for."""

from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.chat.errors import GatewayError, Interrupted, Overloaded, TooManyConnections
from gateway.web.keys import SERVICE
from gateway.web.limits import ALLOWED_ORIGINS, DOOR, Door, check_origin
from tests.builders import rules
from tests.hostile import origins
from tests.stage import Stage

HOST = "chat.example:8080"
LISTED = "https://reports.example"
CLIENT, OTHER, PROXY = "203.0.113.7", "203.0.113.8", "127.0.0.1"


def an_app(*origins: str, most: int = 3, most_of_address: int = 2) -> web.Application:
    """Return an application with a door and nothing behind it."""
    app = web.Application()
    app[ALLOWED_ORIGINS] = frozenset(origins)
    app[SERVICE] = Stage(rules=rules()).service
    trusted = [ip_network(PROXY)]
    app[DOOR] = Door(most=most, most_of_address=most_of_address, trusted=trusted)
    return app


def a_request(app: web.Application, *, remote: str = CLIENT, **headers: str) -> web.Request:
    """Return a request for the WebSocket."""
    headers = {"Host": HOST} | {k.replace("_", "-"): v for k, v in headers.items()}
    return make_mocked_request("GET", "/ws", headers, app=app).clone(remote=remote)


def is_ours(app: web.Application, origin: str | None) -> bool:
    """Return whether a page of `origin` may talk to us."""
    headers = {} if origin is None else {"Origin": origin}
    try:
        check_origin(a_request(app, **headers))
    except web.HTTPForbidden:
        return False
    return True


@pytest.mark.parametrize("origin", origins(HOST).values(), ids=origins(HOST))
def test_a_page_of_another_site(origin: str) -> None:
    """A page that was not loaded from our host is refused, whatever its origin looks like."""
    assert not is_ours(an_app(), origin)


@pytest.mark.parametrize("origin", origins("reports.example:443").values())
def test_a_page_that_is_not_listed(origin: str) -> None:
    """Where origins are listed, a page of no other is let in."""
    assert not is_ours(an_app(LISTED), origin)


@pytest.mark.parametrize("origin", [f"http://{HOST}", f"https://{HOST}"])
def test_a_page_of_our_host(origin: str) -> None:
    """A page of the host it talks to is let in, unless others are listed."""
    assert is_ours(an_app(), origin)
    assert not is_ours(an_app(LISTED), origin)


def test_a_page_that_is_listed() -> None:
    """A page that is listed is let in."""
    assert is_ours(an_app("https://other.example", LISTED), LISTED)


def test_no_page() -> None:
    """What sends no origin is no browser, so no page of another site is behind it."""
    assert is_ours(an_app(), None)
    assert is_ours(an_app(LISTED), None)


def refusal_of(app: web.Application, **request: str) -> type[GatewayError] | None:
    """Return why a connection is refused, None where it came in to stay."""
    try:
        app[DOOR].enter(a_request(app, **request))
    except GatewayError as error:
        return type(error) if error.retry_after_ms else None
    return None


def test_too_many_of_an_address() -> None:
    """The connection over an address's limit is refused, those of other addresses are not."""
    app = an_app(most_of_address=2)
    assert [refusal_of(app) for _ in range(3)] == [None, None, TooManyConnections]
    assert refusal_of(app, remote=OTHER) is None


def test_too_many_of_all() -> None:
    """The connection over the limit of all is refused, whoever comes."""
    app = an_app(most=3)
    comers = [f"203.0.113.{n}" for n in range(4)]
    assert [refusal_of(app, remote=c) for c in comers] == [None, None, None, Overloaded]


def test_who_leaves_makes_room() -> None:
    """When one has left, the next one is let in."""
    app = an_app(most=1)
    for _ in range(3):
        with app[DOOR].inside(a_request(app)) as address:
            assert refusal_of(app) is Overloaded
            assert address == app[DOOR].address_of(a_request(app))
        assert len(app[DOOR]) == 0


def test_who_is_refused_takes_no_room() -> None:
    """Refusals are not counted, and nothing is kept of who has left."""
    app = an_app(most_of_address=1)
    address = app[DOOR].enter(a_request(app))
    for _ in range(5):
        assert refusal_of(app) is TooManyConnections
    app[DOOR].leave(address)
    assert refusal_of(app) is None


def test_a_crash_makes_room() -> None:
    """Whatever ends a connection, its place is free."""
    app = an_app()
    with pytest.raises(ZeroDivisionError), app[DOOR].inside(a_request(app)):
        raise ZeroDivisionError
    assert len(app[DOOR]) == 0


def test_behind_a_proxy() -> None:
    """Behind a proxy of ours it is its visitors that are counted, each by itself."""
    app = an_app(most=10, most_of_address=1)
    for client in (CLIENT, OTHER):
        assert refusal_of(app, remote=PROXY, X_Forwarded_For=client) is None
        assert refusal_of(app, remote=PROXY, X_Forwarded_For=client) is TooManyConnections


def test_a_process_about_to_leave() -> None:
    """A process that is about to leave takes nobody in."""
    app = an_app()
    app[SERVICE].draining = True
    assert refusal_of(app) is Interrupted
