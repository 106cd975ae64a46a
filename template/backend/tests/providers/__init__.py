"""What the conformance suite asks of each provider's module here.

Such a module offers `SHAPES`, and about its settings `ENVIRONMENT`, `READ`, `BAD_SETTINGS` and
`DEVELOPMENT_ONLY`, as `tests/test_auth.py` uses them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from app.choices import provider

Overrides = Mapping[str, Any]
NONE: Overrides = MappingProxyType({})


Wrong: TypeAlias = Literal["issuer", "audience", "party", "type", "ID token", "machine"]
"""What must be wrong with some refused token of every shape.

Issuer: who has signed. Audience: whom the token is for. Party: who asked for it. Type: what the
header calls it. ID token: it says who signed in, and opens nothing. Machine: no user is behind it.
"""


class Refused(NamedTuple):
    """A correctly signed token that must not pass: what is wrong with it, and the reason given.

    None leaves a claim or a header parameter out.
    """

    reason: str
    claims: Overrides = NONE
    header: Overrides = NONE


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A token as the provider documents it, and what is to be made of it.

    Attributes:
        settings: the provider's settings for an issuer.
        header: the header's parameters besides the key's.
        claims: the claims, for an issuer and a Unix time.
        identity: the normalised claims of it, without the times.
        session: the session's id in it.
        without_organization: what to change so that no organization is active.
        with_role: what to change so that the role has this name.
        refused: what else the provider signs with the same key, and what nobody should.
        wrong: for each thing that can be wrong its name in `refused`; where the provider has no
            such notion, what comes nearest to it.
        issuer_path: where under its origin the issuer is.
        keys_path: where under its origin the keys are.
        pages: what else it publishes, by path, for an issuer and the address of its keys.
    """

    settings: Callable[[str], provider.Settings]
    header: Mapping[str, Any]
    claims: Callable[[str, int], dict[str, Any]]
    identity: Mapping[str, object]
    session: str | None
    without_organization: Overrides
    with_role: Callable[[str], Overrides]
    refused: Mapping[str, Refused]
    wrong: Mapping[Wrong, str]
    issuer_path: str = ""
    keys_path: str = "/.well-known/jwks.json"
    pages: Callable[[str, str], Mapping[str, object]] = field(default=lambda _issuer, _keys: {})
