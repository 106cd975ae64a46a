"""Where a provider publishes its keys, by its document of OpenID Connect Discovery."""

from urllib.parse import urlsplit

import msgspec

from app.auth.addresses import is_loopback, is_private_way
from app.auth.publishing import Read, Unusable


class _Document(msgspec.Struct):
    issuer: str
    jwks_uri: str


async def find_keys(address: str, issuer: str, read: Read) -> str:
    """The address of the JWK set.

    Args:
        address: of the issuer, under which the document is.
        issuer: what the document must say of itself, to the letter (section 4.3).
        read: reads a document of the provider's.

    Raises:
        Unusable: the document is not this issuer's, or its keys could be exchanged on the way.
    """
    url = f"{address.rstrip('/')}/.well-known/openid-configuration"
    try:
        document = msgspec.json.decode(await read(url), type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable(f"{url} did not answer with a discovery document: {error}") from error
    if document.issuer != issuer:
        raise Unusable(
            f"{url} is the document of {document.issuer!r}, not of {issuer!r}: AUTH_ISSUER must be "
            "what it says, to the letter"
        )
    if not is_private_way(document.jwks_uri) or (
        is_loopback(document.jwks_uri) and not is_loopback(address)
    ):
        raise Unusable(f"{url} names keys that are not behind https: {document.jwks_uri!r}")
    return document.jwks_uri


def is_template(issuer: str) -> bool:
    """Whether the issuer is that of many directories, told apart by a claim."""
    return "{tenantid}" in urlsplit(issuer).path
