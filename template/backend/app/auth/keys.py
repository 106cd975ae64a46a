"""API keys: what a key looks like, and what it presents to the database.

`ak_` and the base64url (RFC 4648, section 5) of 64 bytes: whose it is, which one it is, and 32
random bytes. The prefix lets scanners of repositories and logs find keys that got lost.
"""

import base64
import binascii
import hashlib
import secrets
from typing import NamedTuple
from uuid import UUID

from app.auth.errors import InvalidToken
from app.auth.identity import Identity

PREFIX = "ak_"
LENGTH = len(PREFIX) + 86
_ID_BYTES = 16
_RANDOM_BYTES = 32
_REFUSED = "This API key is unknown, revoked or expired."
# The database says when a key expires; until it has, nothing may last because of this.
_UNKNOWN = 0


class RefusedKey(InvalidToken):
    """The key is refused. Whoever sent it is told the same, whatever is wrong with it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, _REFUSED)


class NewKey(NamedTuple):
    """A key that was just made. Only who asked for it ever sees `text`."""

    text: str
    hash: bytes
    ending: str


def make_key(tenant_id: UUID, key_id: UUID) -> NewKey:
    """A key for this tenant, of this id."""
    parts = tenant_id.bytes + key_id.bytes + secrets.token_bytes(_RANDOM_BYTES)
    text = PREFIX + base64.urlsafe_b64encode(parts).rstrip(b"=").decode()
    return NewKey(text, _hash(text), text[-4:])


def read_key(text: str) -> Identity:
    """What a key presents. Whether it is good, the database says.

    Raises:
        RefusedKey: it has not the form of a key.
    """
    try:
        parts = base64.b64decode(text.removeprefix(PREFIX) + "==", altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        parts = b""
    if len(text) != LENGTH or len(parts) != 2 * _ID_BYTES + _RANDOM_BYTES:
        raise RefusedKey("no API key of ours has this form")
    key_hash = _hash(text).hex()
    key_id = UUID(bytes=parts[_ID_BYTES : 2 * _ID_BYTES])
    return Identity(
        # Not by its id, or whoever knows that could use up the rate of the key with forged ones.
        subject=f"key:{key_hash}",
        tenant_id=UUID(bytes=parts[:_ID_BYTES]),
        key_id=key_id,
        key_hash=key_hash,
        issued_at=_UNKNOWN,
        expires_at=_UNKNOWN,
    )


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
