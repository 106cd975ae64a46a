"""Access tokens as providers document them; where each is documented stands above it."""

from collections.abc import Callable, Mapping
from typing import Any

from app.auth.oidc import Settings
from app.auth.oidc.presets import Name
from tests.providers import Overrides, Refused, Shape, Wrong, plain

event = plain.event

API = "https://api.example.com"
TENANT = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
APPLICATION = "6e74172b-be56-4843-9ff4-e66a39bb12e3"
USER = "8e5e3a2b-1c0d-4f4e-9e8f-7a6b5c4d3e2f"

ENVIRONMENT = {
    "AUTH_ISSUER": "https://acme.auth0.com/",
    "AUTH_AUDIENCE": f"{API}, urn:api,",
    "AUTH_PRESET": "auth0",
}
"""Settings as someone would write them in production."""

READ: Mapping[str, object] = {
    # Auth0's tokens have the slash, so it is part of the name.
    "auth_issuer": "https://acme.auth0.com/",
    "auth_audience": [API, "urn:api"],
    "auth_client_ids": [],
    "auth_preset": "auth0",
}
"""What is read from them."""

BAD_SETTINGS = (
    ("AUTH_ISSUER", "http://acme.auth0.com/"),
    ("AUTH_ISSUER", "acme.auth0.com"),
    ("AUTH_ISSUER", "https://user:pass@acme.auth0.com/"),
    ("AUTH_ISSUER", "https://acme.auth0.com/?x"),
    ("AUTH_ISSUER", "https://acme.auth0.com/#x"),
    ("AUTH_ISSUER", "http://localhost.evil.example"),
    ("AUTH_ISSUER", "https://login.microsoftonline.com/{tenantid}/v2.0"),
    ("AUTH_ISSUER", ""),
    ("AUTH_AUDIENCE", ""),
    ("AUTH_AUDIENCE", " , "),
    ("AUTH_PRESET", "okta"),
    ("AUTH_JWKS_URL", "http://acme.auth0.com/keys"),
    ("AUTH_JWKS_URL", "keys"),
    ("AUTH_CLOCK_SKEW", "61"),
    ("AUTH_CLOCK_SKEW", "-1"),
)
"""Settings, one by one, with which nothing may start."""

DEVELOPMENT_ONLY = (
    ("AUTH_ISSUER", "http://127.0.0.1:9000"),
    ("AUTH_ISSUER", "https://127.0.0.1:9000"),
    ("AUTH_ISSUER", "https://localhost"),
    ("AUTH_ISSUER", "https://[::1]:9000/realms/acme"),
    ("AUTH_JWKS_URL", "http://127.0.0.1:9000/keys"),
)
"""Settings, one by one, that production refuses."""


def _pages(issuer: str, keys: str) -> Mapping[str, object]:
    path = "/" + issuer.split("/", 3)[-1] if issuer.count("/") > 2 else ""
    page = f"{path.rstrip('/')}/.well-known/openid-configuration"
    return {page: {"issuer": issuer, "jwks_uri": keys, "token_endpoint": f"{issuer}/token"}}


def _settings_of(preset: Name, client: str, audience: str = API) -> Callable[[str], Settings]:
    def settings(issuer: str) -> Settings:
        return Settings(
            auth_issuer=issuer,
            auth_audience=[audience] if audience else [],
            auth_client_ids=["another", client],
            auth_preset=preset,
        )

    return settings


def _roles(claim: str) -> Callable[[str], Overrides]:
    return lambda role: {claim: ["unheard_of", role]}


# RFC 9068, section 2.2, and the claims that `sid` and `roles` are registered as.


def _rfc9068(issuer: str, now: int) -> dict[str, Any]:
    return {
        "iss": issuer,
        "sub": "5ba552d67",
        "aud": API,
        "exp": now + 60,
        "iat": now,
        "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
        "client_id": "s6BhdRkqt3",
        "scope": "openid profile reademail",
        "auth_time": now - 5,
        "sid": "08a5019c",
        "org_id": "42",
        "org_name": "acme",
        "roles": ["admin"],
        "email": "ada@example.com",
        "email_verified": True,
        "name": "Ada",
    }


# https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles
# https://auth0.com/docs/manage-users/organizations/using-tokens


def _auth0(issuer: str, now: int) -> dict[str, Any]:
    return {
        "iss": issuer,
        "sub": "auth0|602c0dcab993d10073daf680",
        "aud": [API, f"{issuer}userinfo"],
        "iat": now,
        "exp": now + 60,
        "azp": "ENDmmAJsbwI1hOG1KPJddQ8LHjV6kLkV",
        "scope": "openid profile email",
        "org_id": "org_9ybsU1dN2dKfDkBi",
        "org_name": "acme",
        "org_role": ["admin"],
    }


# https://workos.com/docs/reference/authkit/session-tokens; the issuer and `client_id` as in
# tokens of an environment without a custom domain.


def _workos(issuer: str, now: int) -> dict[str, Any]:
    return {
        "iss": issuer,
        "sub": "user_01HBEQKA6K4QJAS93VPE39W1JT",
        "client_id": "client_123456789",
        "org_id": "org_01HRDMC6CM357W30QMHMQ96Q0S",
        "role": "admin",
        "roles": ["admin"],
        "permissions": ["posts:read", "posts:write"],
        "entitlements": ["audit-logs"],
        "sid": "session_01HQSXZGF8FHF7A9ZZFCW4387R",
        "jti": "01HQSXZXPPFPKMDD32RKTFY6PV",
        "exp": now + 60,
        "iat": now,
    }


# https://www.keycloak.org/docs/latest/server_admin/#_organizations: the claim `organization` of a
# client scope whose mapper adds the organization's id.


def _keycloak(issuer: str, now: int) -> dict[str, Any]:
    return {
        "exp": now + 60,
        "iat": now,
        "auth_time": now - 5,
        "jti": "onrtac:312ee6e4-4c3b-4d2a-9e8f-7a6b5c4d3e2f",
        "iss": issuer,
        "aud": [API, "account"],
        "sub": USER,
        "typ": "Bearer",
        "azp": "web",
        "sid": "4c0a3a8a-3a47-4f2f-8e89-9e5f9b0a0a0a",
        "acr": "1",
        "allowed-origins": ["https://app.example.com"],
        "realm_access": {"roles": ["default-roles-acme", "offline_access", "admin"]},
        "resource_access": {"account": {"roles": ["manage-account"]}},
        "scope": "openid organization profile email",
        "email_verified": False,
        "organization": {"acme": {"id": "42c3e46f-2477-44d7-a85b-d3b43f6b31fa"}},
        "name": "Ada Lovelace",
        "preferred_username": "ada",
        "email": "ada@example.com",
    }


# https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference, version 2.0


def _entra(issuer: str, now: int) -> dict[str, Any]:
    return {
        "aud": APPLICATION,
        "iss": issuer,
        "iat": now,
        "nbf": now,
        "exp": now + 60,
        "aio": "AWQAm/8TAAAAsAtNeQ",
        "azp": APPLICATION,
        "azpacr": "0",
        "name": "Ada",
        "oid": USER,
        "preferred_username": "ada@example.com",
        "rh": "0.AS8A",
        "roles": ["admin"],
        "scp": "access_as_user",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "tid": TENANT,
        "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "2.0",
    }


def _common(subject: str = "sub") -> dict[str, Refused]:
    """What is refused in every layout."""
    return {
        "another issuer": Refused("issued by", {"iss": "https://evil.example"}),
        "a longer issuer": Refused("issued by", {"iss": "http://127.0.0.1/.evil.example"}),
        "a list of issuers": Refused("issued by", {"iss": ["https://evil.example"]}),
        "no issuer": Refused("issued by", {"iss": None}),
        "an ID token": Refused("an ID token", {"nonce": "n-0S6_WzA2Mj"}),
        "an ID token of the hybrid flow": Refused("an ID token", {"at_hash": "77QmUPtjPfzWtF2An"}),
        "bound to a key": Refused("bound to a key", {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJG"}}),
        "impersonation": Refused("impersonated", {"act": {"sub": "admin@foocorp.com"}}),
        "a refresh token's type": Refused("typ", header={"typ": "rt+jwt"}),
        "a type that is no text": Refused("typ", header={"typ": 1}),
        "a list of types": Refused("typ", header={"typ": ["at+jwt"]}),
        "no subject": Refused(f"claim {subject}", {subject: None}),
        "a subject that is no text": Refused(f"claim {subject}", {subject: 7}),
        "a subject of two lines": Refused("subject", {subject: "a\nb"}),
        "a long subject": Refused("subject", {subject: "a" * 256}),
    }


def _party(claim: str) -> dict[str, Refused]:
    """Who may not ask for tokens, where the settings name who may."""
    return {
        "another client": Refused("no client of AUTH_CLIENT_IDS", {claim: "evil"}),
        "a longer client": Refused("no client of AUTH_CLIENT_IDS", {claim: "another-one"}),
        "a list of clients": Refused("no client of AUTH_CLIENT_IDS", {claim: ["another"]}),
    }


def _wrong(**differently: str) -> dict[Wrong, str]:
    return {
        "issuer": "another issuer",
        "audience": differently.get("audience", "for another API"),
        "party": "another client",
        "type": differently.get("kind", "a refresh token's type"),
        "ID token": differently.get("id_token", "an ID token"),
        "machine": differently.get("machine", "a machine's token"),
    }


_AUDIENCE = {
    "for another API": Refused("meant for", {"aud": "https://evil.example"}),
    "for a longer API": Refused("meant for", {"aud": f"{API}.evil.example"}),
    "for the provider alone": Refused("meant for", {"aud": ["account"]}),
    "for nobody": Refused("meant for", {"aud": None}),
    "for an object": Refused("meant for", {"aud": {API: True}}),
}

SHAPES = {
    "rfc9068": Shape(
        settings=_settings_of("rfc9068", "s6BhdRkqt3"),
        header={"typ": "at+JWT"},
        claims=_rfc9068,
        keys_path="/oauth/keys",
        pages=_pages,
        identity={
            "sub": "5ba552d67",
            "org_id": "42",
            "org_slug": "acme",
            "org_role": "admin",
            "email": "ada@example.com",
            "email_verified": True,
            "name": "Ada",
        },
        session="08a5019c",
        without_organization={"org_id": None, "org_name": None},
        with_role=_roles("roles"),
        wrong=_wrong(kind="no type", id_token="an ID token's type"),
        refused={
            **_common(),
            **_party("client_id"),
            **_AUDIENCE,
            "an ID token's type": Refused("typ", header={"typ": "JWT"}),
            "no type": Refused("typ", header={"typ": None}),
            "no client": Refused("client_id", {"client_id": None}),
            "no id": Refused("jti", {"jti": None}),
            "a machine's token": Refused("machine", {"sub": "s6BhdRkqt3"}),
            "an organization that is a number": Refused("claim org_id", {"org_id": 42}),
            "a long organization": Refused("claim org_id", {"org_id": "a" * 256}),
            "a long name of the organization": Refused("org_slug", {"org_name": "a" * 256}),
            "a name that is no text": Refused("claim name", {"name": ["Ada"]}),
        },
    ),
    "auth0": Shape(
        settings=_settings_of("auth0", "ENDmmAJsbwI1hOG1KPJddQ8LHjV6kLkV"),
        header={"typ": "JWT"},
        claims=_auth0,
        issuer_path="/",
        pages=_pages,
        identity={
            "sub": "auth0|602c0dcab993d10073daf680",
            "org_id": "org_9ybsU1dN2dKfDkBi",
            "org_slug": "acme",
            "org_role": "admin",
        },
        session=None,
        without_organization={"org_id": None, "org_name": None},
        with_role=_roles("org_role"),
        wrong=_wrong(id_token="an ID token, for its client"),
        refused={
            **_common(),
            **_party("azp"),
            **_AUDIENCE,
            "an ID token, for its client": Refused(
                "meant for", {"aud": "ENDmmAJsbwI1hOG1KPJddQ8LHjV6kLkV"}
            ),
            "no client": Refused("azp", {"azp": None}),
            # https://auth0.com/docs/get-started/authentication-and-authorization-flow
            "a machine's token": Refused(
                "machine",
                {
                    "sub": "ENDmmAJsbwI1hOG1KPJddQ8LHjV6kLkV@clients",
                    "gty": "client-credentials",
                },
            ),
            "a machine's grant": Refused("machine", {"gty": "client-credentials"}),
            "a machine's subject": Refused("machine", {"sub": "abc@clients"}),
        },
    ),
    "workos": Shape(
        settings=_settings_of("workos", "client_123456789", audience=""),
        header={},
        claims=_workos,
        issuer_path="/user_management/client_123456789",
        keys_path="/sso/jwks/client_123456789",
        pages=_pages,
        identity={
            "sub": "user_01HBEQKA6K4QJAS93VPE39W1JT",
            "org_id": "org_01HRDMC6CM357W30QMHMQ96Q0S",
            "org_role": "admin",
        },
        session="session_01HQSXZGF8FHF7A9ZZFCW4387R",
        without_organization={"org_id": None, "role": None, "roles": None, "permissions": None},
        with_role=lambda role: {"role": role},
        # Without an audience, the client that asked has to say whom it is for.
        wrong=_wrong(audience="another client", kind="another type"),
        refused={
            **_common(),
            **_party("client_id"),
            "a subject of two lines": Refused("subject", {"sub": "user_a\nb"}),
            "a long subject": Refused("subject", {"sub": f"user_{'a' * 256}"}),
            "another type": Refused("typ", header={"typ": "at+jwt"}),
            "no session": Refused("sid", {"sid": None}),
            "another kind of session": Refused("machine", {"sid": "app_01"}),
            "a machine's token": Refused("machine", {"sub": "client_123456789"}),
            "an organization's token": Refused("machine", {"sub": "org_01HRDMC6CM357W30QMHMQ9"}),
        },
    ),
    "keycloak": Shape(
        settings=_settings_of("keycloak", "web"),
        header={"typ": "JWT"},
        claims=_keycloak,
        issuer_path="/realms/acme",
        keys_path="/realms/acme/protocol/openid-connect/certs",
        pages=_pages,
        identity={
            "sub": USER,
            "org_id": "42c3e46f-2477-44d7-a85b-d3b43f6b31fa",
            "org_slug": "acme",
            "org_role": "admin",
            "name": "Ada Lovelace",
        },
        session="4c0a3a8a-3a47-4f2f-8e89-9e5f9b0a0a0a",
        without_organization={"organization": None},
        with_role=lambda role: {"realm_access": {"roles": ["offline_access", role]}},
        wrong=_wrong(id_token="an ID token by its type", machine="a service account"),
        refused={
            **_common(),
            **_party("azp"),
            **_AUDIENCE,
            "an ID token by its type": Refused("claim typ", {"typ": "ID"}),
            "a refresh token": Refused("claim typ", {"typ": "Refresh"}),
            "a logout token": Refused("claim typ", {"typ": "Logout"}),
            "bound to a proof": Refused("claim typ", {"typ": "DPoP"}),
            "no session": Refused("sid", {"sid": None}),
            "a service account": Refused(
                "machine", {"preferred_username": "service-account-worker", "client_id": "worker"}
            ),
            "a service account with a session": Refused("machine", {"clientHost": "10.0.0.7"}),
            "names of organizations": Refused("Add organization id", {"organization": ["acme"]}),
            "a long alias": Refused("org_slug", {"organization": {"a" * 256: {"id": "1"}}}),
            "an organization without id": Refused("id of 'acme'", {"organization": {"acme": {}}}),
        },
    ),
    "entra": Shape(
        settings=_settings_of(
            "entra",
            APPLICATION,
            audience=APPLICATION,
        ),
        header={"typ": "JWT"},
        claims=_entra,
        issuer_path=f"/{TENANT}/v2.0",
        keys_path=f"/{TENANT}/discovery/v2.0/keys",
        pages=_pages,
        identity={
            "sub": f"{TENANT}|{USER}",
            "org_id": TENANT,
            "org_role": "admin",
            "name": "Ada",
        },
        session=None,
        # A personal account, signed in through the directory that all of them share.
        without_organization={"tid": "9188040d-6c67-4c5b-b112-36a304b66dad"},
        with_role=_roles("roles"),
        wrong=_wrong(id_token="an ID token, for the same application"),
        refused={
            **_common("oid"),
            **_party("azp"),
            **_AUDIENCE,
            "an ID token, for the same application": Refused("scp", {"scp": None, "azp": None}),
            "a machine's token": Refused("scp", {"scp": None, "idtyp": "app"}),
            "a machine's kind": Refused("machine", {"idtyp": "app"}),
            "version 1": Refused("claim ver", {"ver": "1.0"}),
            "no directory": Refused("claim tid", {"tid": None}),
        },
    ),
}
