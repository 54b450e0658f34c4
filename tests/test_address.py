"""Whose connection it is cannot be made up: what a client writes into X-Forwarded-For changes nothing."""

from ipaddress import ip_network

import pytest

from gateway.web.address import client_of

PROXIES = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
PROXY = "127.0.0.1"
CLIENT = "203.0.113.7"
OTHER = "198.51.100.1"
# What a client writes to be taken for somebody else, or for a proxy.
SPOOFS = {
    "another address": OTHER,
    "a proxy": PROXY,
    "a network of proxies": "10.1.2.3",
    "IPv6": "2001:db8::1",
    "IPv6 in brackets": "[2001:db8::1]",
    "IPv6 with a port": "[2001:db8::1]:443",
    "IPv4 with a port": f"{OTHER}:80",
    "IPv4 in IPv6": f"::ffff:{OTHER}",
    "many hops": ", ".join([OTHER] * 50),
    "many proxies": ", ".join([PROXY] * 50),
    "oversize": "9" * 8000,
    "thousands of hops": "1.1.1.1," * 1000,
    "nothing": "",
    "commas": ",,,,",
    "spaces": "   ",
    "a word": "unknown",
    "a name": "localhost",
    "Forwarded's own": f"for={OTHER};proto=https",
    "an open bracket": "[2001:db8::1",
    "a zone": "fe80::1%eth0",
    "a number": "3405803783",
    "too many numbers": "1.2.3.4.5",
    "zeros before": "203.000.113.007",
    "control characters": "\x01\x7f",
    "other digits": "\u0661\u0662\u0667.\u0660.\u0660.\u0661",
}


def client(*forwarded: str, peer: str | None = PROXY) -> int:
    """Return whose connection it is."""
    return client_of(peer, forwarded, trusted=PROXIES)


ITSELF = client(peer=CLIENT)


@pytest.mark.parametrize("spoof", SPOOFS.values(), ids=SPOOFS)
def test_a_spoof_from_a_stranger(spoof: str) -> None:
    """Of who is no proxy of ours, the header is not read."""
    assert client(spoof, peer=CLIENT) == ITSELF


@pytest.mark.parametrize("spoof", SPOOFS.values(), ids=SPOOFS)
def test_a_spoof_through_a_proxy(spoof: str) -> None:
    """A proxy adds whom it met after what that one claims, and the last one counts."""
    assert client(f"{spoof}, {CLIENT}") == ITSELF
    assert client(spoof, CLIENT) == ITSELF


@pytest.mark.parametrize("spoof", SPOOFS.values(), ids=SPOOFS)
def test_a_spoof_through_two_proxies(spoof: str) -> None:
    """Of a chain of our proxies, the one whom the first of them met counts."""
    assert client(spoof, CLIENT, "10.9.9.9", "fd00::9") == ITSELF


@pytest.mark.parametrize(
    "written", [CLIENT, f"{CLIENT}:50000", f" {CLIENT} ", f"::ffff:{CLIENT}", f"[::ffff:{CLIENT}]"]
)
def test_ways_to_write_an_address(written: str) -> None:
    """However a proxy writes an address, it is the same one."""
    assert client(written) == ITSELF


@pytest.mark.parametrize("written", ["2001:db8:1:2::1", "[2001:db8:1:2:ffff::1]:443"])
def test_a_network_of_ipv6(written: str) -> None:
    """All addresses of a /64, which one visitor has, are one."""
    assert client(written) == client(peer="2001:db8:1:2:a:b:c:d")
    assert client(written) != client(peer="2001:db8:1:3::1")


def test_ipv4_is_told_apart() -> None:
    """Addresses of IPv4 are counted one by one, also where the socket is one of IPv6."""
    assert client(peer=f"::ffff:{CLIENT}") == ITSELF
    assert len({client(peer=f"203.0.113.{n}") for n in range(256)}) == 256


def test_a_proxy_that_says_nothing() -> None:
    """Without a header the proxy itself is whom we serve."""
    assert client() == client(PROXY) == client_of(PROXY, [], trusted=())


@pytest.mark.parametrize("garbage", ["unknown", "", "[", "1.2.3.4.5"])
def test_a_proxy_that_writes_no_address(garbage: str) -> None:
    """What no proxy writes is counted as the proxy's own, whatever stands before it."""
    assert client(f"{OTHER}, {garbage}") == client()


@pytest.mark.parametrize("peer", ["", None])
def test_a_unix_socket(peer: str | None) -> None:
    """Who comes over a Unix socket is a proxy of this machine, and believed."""
    assert client(CLIENT, peer=peer) == ITSELF
    assert client(peer=peer) == 0


def test_nobody_is_trusted() -> None:
    """Without proxies of ours the header of nobody is read."""
    assert client_of(PROXY, [CLIENT], trusted=()) == client()
