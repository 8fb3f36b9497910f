"""IP addresses that are not on the public internet."""

from ipaddress import IPv4Address, IPv6Address, ip_network

_INTERNAL_IPV4 = [
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
"""IANA's special-purpose IPv4 addresses and multicast, and 168.63.129.16, at which Azure serves a machine's secrets.

Clouds serve a machine's credentials at 169.254.169.254, and some in 100.64.0.0/10 and 192.0.0.0/24.
"""
_GLOBAL_IPV6 = ip_network("2000::/3")
"""Global unicast addresses (RFC 4291). All that is internal is outside of it, and so are embedded IPv4 addresses
(`::ffff:0:0/96`, `64:ff9b::/96`), but for the networks below.
"""
_INTERNAL_IPV6 = [
    ip_network(network)
    for network in (
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
]
"""Teredo and other protocol assignments, documentation, and 6to4, which embeds an IPv4 address."""


def is_internal(address: IPv4Address | IPv6Address) -> bool:
    """Return True unless the address is a public one.

    The lists are IANA's of 2026, and do not depend on the Python version as `ipaddress`' `is_global` does.
    """
    if isinstance(address, IPv4Address):
        return any(address in network for network in _INTERNAL_IPV4)
    return address not in _GLOBAL_IPV6 or any(address in network for network in _INTERNAL_IPV6)
