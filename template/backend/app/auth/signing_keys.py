"""A provider's public keys: which ones are accepted, and for which algorithm."""

from collections.abc import Mapping
from typing import TypeAlias

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import CompactSignature, JWSRegistry
from joserfc.util import base64_to_int

PublicKey: TypeAlias = RSAKey | ECKey | OKPKey

MAX_KEY_ID_LENGTH = 256

# NIST SP 800-131A disallows RSA below 2048 bits; the upper bound keeps one verification cheap.
_RSA_BITS = range(2048, 8192 + 1)
_RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


class _OneAlgorithm(JWSRegistry):
    """Knows a single algorithm, so that a token's header has nothing to choose from."""

    def __init__(self, algorithm: str) -> None:
        # Providers send headers of their own (Clerk an `oiat`). RFC 7515 says to ignore those.
        super().__init__(algorithms=[algorithm], strict_check_header=False)

    def get_alg(self, name: str) -> JWSAlgModel:
        # RFC 9864 renamed EdDSA with this curve; providers still send the old name.
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


_REGISTRIES = {name: _OneAlgorithm(name) for name in (*_RSA_ALGORITHMS, "ES256", "Ed25519")}


class SigningKey:
    """One public key with the one algorithm that it is good for.

    Attributes:
        kid: the id by which tokens name it.
        algorithm: the algorithm that its JWK states, or implies by the key's type.
        thumbprint: a digest of the key material (RFC 7638).
        issuer: the one issuer that it signs for, where the set says so; None: for all of the set.
    """

    __slots__ = ("_key", "_registry", "algorithm", "issuer", "kid", "thumbprint")

    def __init__(self, kid: str, algorithm: str, key: PublicKey, issuer: str | None = None) -> None:
        self.kid = kid
        self.issuer = issuer
        self.algorithm = algorithm
        self.thumbprint = key.thumbprint()
        self._key = key
        self._registry = _REGISTRIES[algorithm]

    def is_same(self, other: "SigningKey") -> bool:
        """Whether both have the same id, algorithm, key material and issuer."""
        return (
            self.kid == other.kid
            and self.algorithm == other.algorithm
            and self.thumbprint == other.thumbprint
            and self.issuer == other.issuer
        )

    def has_signed(self, token: CompactSignature) -> bool:
        """Whether the signature is this key's.

        Raises:
            JoseError: the header asks for another algorithm than the key's, or is malformed.
        """
        return jws.validate_compact(token, self._key, registry=self._registry)


def read_jwk(jwk: object) -> SigningKey | None:
    """The signing key in one member of a JWK set, or None if it is not one that is accepted.

    Accepted are RSA from 2048 bits, EC on P-256 and Ed25519, each with a `kid`. A symmetric key
    (`oct`) never is: it would let whoever reads the published set sign tokens. RFC 7517, section 5
    asks readers to skip what they do not understand rather than to refuse the set.
    """
    if not isinstance(jwk, dict) or not _is_for_verifying(jwk):
        return None
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KEY_ID_LENGTH:
        return None
    algorithm = _algorithm(jwk)
    if algorithm is None:
        return None
    try:
        key = _import(jwk)
    except (JoseError, ValueError):
        return None
    return None if key is None else SigningKey(kid, algorithm, key, _issuer(jwk))


def _is_for_verifying(jwk: Mapping[str, object]) -> bool:
    use, operations = jwk.get("use"), jwk.get("key_ops")
    return (use is None or use == "sig") and (
        operations is None or (isinstance(operations, list) and "verify" in operations)
    )


def _issuer(jwk: Mapping[str, object]) -> str | None:
    """The issuer that Entra ID writes beside each key of a set for many.

    https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-signing-key-issuer
    One that names `{tenantid}` is for every directory.
    """
    issuer = jwk.get("issuer")
    return issuer if isinstance(issuer, str) and "{" not in issuer else None


def _algorithm(jwk: Mapping[str, object]) -> str | None:
    match jwk.get("kty"), jwk.get("crv"), jwk.get("alg"):
        case "RSA", _, None:
            return "RS256"
        case "RSA", _, str(algorithm) if algorithm in _RSA_ALGORITHMS:
            return algorithm
        case "EC", "P-256", None | "ES256":
            return "ES256"
        case "OKP", "Ed25519", None | "EdDSA" | "Ed25519":
            return "Ed25519"
        case _:
            return None


def _import(jwk: Mapping[str, object]) -> PublicKey | None:
    """Import the public members alone, whatever else the set says about the key."""

    def public(*names: str) -> dict[str, str | list[str]]:
        return {name: str(jwk.get(name, "")) for name in ("kty", *names)}

    match jwk["kty"]:
        case "RSA":
            members = public("n", "e")
            if base64_to_int(str(members["n"])).bit_length() not in _RSA_BITS:
                return None
            return RSAKey.import_key(members)
        case "EC":
            return ECKey.import_key(public("crv", "x", "y"))
        case _:
            return OKPKey.import_key(public("crv", "x"))
