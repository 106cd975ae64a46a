"""What settings ask of the addresses of providers and front ends."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_origin(value: str) -> bool:
    """Whether it is a scheme, a host and perhaps a port, and nothing else."""
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        return False
    netloc = url.hostname or ""
    if ":" in netloc:
        netloc = f"[{netloc}]"
    if port is not None:
        netloc = f"{netloc}:{port}"
    return bool(url.hostname) and value == f"{url.scheme}://{netloc}"


def is_loopback(address: str) -> bool:
    """Whether its host is this machine."""
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False


def is_private_way(address: str) -> bool:
    """Whether nobody can listen or answer in between: it is https, or never leaves this machine."""
    return address.startswith("https://") or (
        address.startswith("http://") and is_loopback(address)
    )


def is_page(value: str) -> bool:
    """Whether it is an origin and a path, without a login, a query or a fragment."""
    try:
        url = urlsplit(value)
    except ValueError:
        return False
    return is_origin(f"{url.scheme}://{url.netloc}") and value == (
        f"{url.scheme}://{url.netloc}{url.path}"
    )
