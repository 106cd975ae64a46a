"""The development issuer's key and address, kept in `.dev/issuer.json`.

The file is `{"port": int | null, "key": {private JWK}}`. Tokens carry the issuer's URL, so the
port is remembered with the key: a token stays good when the development servers restart.
"""

import fcntl
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from app.dev.choices import provider
from app.dev.environment import require_development
from app.dev.processes import LOOPBACK, DevelopmentError

_ALGORITHM = "RS256"
_REGISTRY = jws.JWSRegistry(algorithms=[_ALGORITHM], strict_check_header=False)


class IssuerKey:
    """The private key with which development tokens are signed."""

    def __init__(self, private_jwk: Mapping[str, Any]) -> None:
        self._key = RSAKey.import_key(dict(private_jwk))

    @property
    def kid(self) -> str:
        """The id under which the key is published."""
        return str(self._key.kid)

    def jwk_set(self) -> dict[str, list[dict[str, Any]]]:
        """What the issuer publishes: the public half."""
        return {"keys": [dict(self._key.as_dict(private=False))]}

    def sign(self, header: Mapping[str, object], claims: Mapping[str, object]) -> str:
        """Return the claims as a compact JWS; the header gets this key's `alg` and `kid`."""
        full_header = {"alg": _ALGORITHM, "kid": self.kid, **header}
        payload = msgspec.json.encode(claims)
        return jws.serialize_compact(full_header, payload, self._key, registry=_REGISTRY)


class _State(msgspec.Struct):
    key: msgspec.Raw
    port: int | None = None


def load_or_create(dev_dir: Path) -> IssuerKey:
    """Return the key of this repository's issuer, made at the first call.

    Processes that call this at the same time get the same key.

    Raises:
        DevelopmentError: this is not a development environment, or the file is damaged.
    """
    require_development("The token issuer")
    path = _path(dev_dir)
    with _exclusive(dev_dir):
        state = _read(path)
        if state is None:
            state = _State(key=_new_key())
            _write(path, state)
    try:
        return _import(bytes(state.key))
    except (JoseError, TypeError, ValueError) as error:
        raise _damaged(path, error) from None


def remembered_port(dev_dir: Path) -> int | None:
    """Return the port on which the issuer ran last, or None if it never did."""
    state = _read(_path(dev_dir))
    return None if state is None else state.port


def remember_port(dev_dir: Path, port: int) -> None:
    """Let tokens be issued in the name of the issuer on this port from now on."""
    load_or_create(dev_dir)
    path = _path(dev_dir)
    with _exclusive(dev_dir):
        state = _read(path) or _State(key=_new_key())
        if state.port != port:
            state.port = port
            _write(path, state)


def issuer_url(dev_dir: Path) -> str:
    """Return the issuer's URL; if it never ran, a free port is picked for it and remembered."""
    port = remembered_port(dev_dir)
    if port is None:
        with socket.create_server((LOOPBACK, 0)) as free:
            port = int(free.getsockname()[1])
        remember_port(dev_dir, port)
    return f"http://{LOOPBACK}:{port}{provider.ISSUER_PATH}"


def _path(dev_dir: Path) -> Path:
    return dev_dir / "issuer.json"


def _new_key() -> msgspec.Raw:
    key = RSAKey.generate_key(2048)
    parameters = {"use": "sig", "alg": _ALGORITHM, "kid": f"ins_{key.thumbprint()[:27]}"}
    return msgspec.Raw(msgspec.json.encode({**key.as_dict(private=True), **parameters}))


@lru_cache(maxsize=8)  # importing checks the primes: 50 times the cost of signing
def _import(private_jwk: bytes) -> IssuerKey:
    return IssuerKey(msgspec.json.decode(private_jwk))


@contextmanager
def _exclusive(dev_dir: Path) -> Iterator[None]:
    """Hold the only right to write; the system gives it back if the process dies."""
    dev_dir.mkdir(parents=True, exist_ok=True)
    with (dev_dir / "issuer.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> _State | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_State)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from None


def _write(path: Path, state: _State) -> None:
    """Replace the file in one step, so a reader finds the old content or the new one."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(state))
    partial.replace(path)


def _damaged(path: Path, error: Exception) -> DevelopmentError:
    return DevelopmentError(
        f"{path} does not hold the key of the token issuer ({error}). Delete it: a new key is made "
        "at the next start, and tokens made with the old one stop working."
    )
