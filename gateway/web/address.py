"""Whose connection it is: the client's address, however many proxies stand between."""

from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# More than any chain of proxies; a header may hold thousands.
MOST_HOPS = 16
# The longest an address is written, with brackets, zone and port.
MOST_CHARS = 80
# Where IPv6 keeps the addresses of IPv4 (RFC 4291, 2.5.5.2).
MAPPED = 0xFFFF << 32
# A visitor has a whole /64 of addresses (RFC 6177), so they count as one.
INTERFACE_BITS = (1 << 64) - 1


def client_of(
    peer: str | None,
    forwarded: Sequence[str],
    *,
    trusted: Collection[IPv4Network | IPv6Network],
) -> int:
    """Return a number for the client's address: the right-most hop that is none of our proxies.

    `peer` is who connected, nobody's address where that was over a Unix socket; `forwarded` are the
    X-Forwarded-For headers in their order. They are looked at only where the peer is a proxy of ours, and
    from the right: all that stands left of the first stranger is what that stranger says. 0: nobody knows.
    """
    client = _address(peer or "")
    if client is not None and not _is_one_of(client, trusted):
        return _number(client)
    for hop in reversed(",".join(forwarded).rsplit(",", MOST_HOPS)[-MOST_HOPS:]):
        address = _address(hop)
        if address is None:
            # No proxy writes that. Whoever did is counted as the proxy that let it through.
            break
        client = address
        if not _is_one_of(client, trusted):
            break
    return 0 if client is None else _number(client)


def _is_one_of(
    address: IPv4Address | IPv6Address, networks: Collection[IPv4Network | IPv6Network]
) -> bool:
    return any(address in network for network in networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address of a hop, which some proxies write with a port."""
    text = text.strip()[:MOST_CHARS]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _number(address: IPv4Address | IPv6Address) -> int:
    if isinstance(address, IPv4Address):
        return MAPPED | int(address)
    return int(address) & ~INTERFACE_BITS
