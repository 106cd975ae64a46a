"""How providers lay out their access tokens, as data.

OpenID Connect standardises ID tokens; access tokens are each provider's own, unless it follows
RFC 9068. An entry says what tells a user's access token from all else that is signed with the same
key, and where the organization and the role are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

Name: TypeAlias = Literal["rfc9068", "auth0", "workos", "keycloak", "entra"]

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One provider's layout.

    Attributes:
        types: what the header's `typ` may be; None: it may be missing. Lower case, without
            `application/`.
        present: claims that a user's access token has; of each group one is enough.
        values: claims that have one value in a user's access token.
        machines: claims and the patterns of values by which a machine's token gives itself away.
        subject: the claims that together are the user's id for good.
        organization: the claim that holds the organization's id, or Keycloak's map of them.
        organization_slug: the claim that holds its short name.
        shared: organizations that are none, because strangers have them in common.
        role: the claim that holds a role, or several.
        session: the claim that holds the id of the session.
        email: the claim that holds an address which the provider has checked.
        has_audience: whether tokens name whom they are for. If not, an issuer or a key set that
            serves one application alone must stand for it.
    """

    types: frozenset[str | None]
    present: tuple[tuple[str, ...], ...] = ()
    values: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    machines: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    subject: tuple[str, ...] = ("sub",)
    organization: str = "org_id"
    organization_slug: str = "org_name"
    shared: frozenset[str] = frozenset()
    role: str = "roles"
    session: str = "sid"
    email: str | None = "email"
    has_audience: bool = True


PRESETS: Mapping[Name, Preset] = {
    # https://www.rfc-editor.org/rfc/rfc9068#section-2. A client that signs in for itself has its
    # own id as `sub`; that is refused for every provider.
    "rfc9068": Preset(types=frozenset({"at+jwt"}), present=(("client_id",), ("jti",))),
    # https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles: `azp` and JWT in the
    # profile of Auth0's own, `client_id` and at+jwt in that of RFC 9068.
    # https://auth0.com/docs/manage-users/organizations/using-tokens: `org_id`, `org_name`.
    # Roles are in no token unless an Action puts them there; `roles` itself is a reserved name.
    "auth0": Preset(
        types=frozenset({"jwt", "at+jwt"}),
        present=(("azp", "client_id"),),
        machines={"gty": r"client-credentials", "sub": r".*@clients"},
        role="org_role",
    ),
    # https://workos.com/docs/reference/authkit/session-tokens: neither `aud` nor a header `typ`;
    # the issuer, or else the key set, is that of one client.
    "workos": Preset(
        types=frozenset({None, "jwt"}),
        present=(("sid",),),
        machines={"sub": r"(?!user_).*", "sid": r"(?!session_).*"},
        role="role",
        has_audience=False,
    ),
    # https://www.keycloak.org/docs/latest/server_admin/#_organizations and the `typ` that Keycloak
    # writes among the claims: Bearer, ID, Refresh, Logout. A service account has no session unless
    # it may have refresh tokens; the scope `service_account` says where it called from.
    "keycloak": Preset(
        types=frozenset({"jwt", "at+jwt"}),
        present=(("azp",), ("sid",)),
        values={"typ": "Bearer"},
        machines={"preferred_username": r"service-account-.*", "clientHost": r".*"},
        organization="organization",
        role="realm_access.roles",
    ),
    # https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference: `oid` is
    # the user in the directory `tid`, `sub` differs from one application to the next, and only a
    # token for a user has `scp`. Neither `email` nor `preferred_username` is checked by anyone.
    # Personal accounts have the directory 9188040d-… in common.
    "entra": Preset(
        types=frozenset({"jwt"}),
        present=(("scp",), ("azp",)),
        values={"ver": "2.0"},
        machines={"idtyp": r"(?!user).*"},
        subject=("tid", "oid"),
        organization="tid",
        shared=frozenset({"9188040d-6c67-4c5b-b112-36a304b66dad"}),
        email=None,
    ),
}
