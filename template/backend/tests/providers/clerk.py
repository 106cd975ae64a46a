"""Clerk's session tokens of version 2: https://clerk.com/docs/guides/sessions/session-tokens."""

from collections.abc import Mapping
from typing import Any

from app.auth.clerk import Settings
from tests.providers import Overrides, Refused, Shape

PARTY = "https://app.example.com"

ENVIRONMENT = {
    "AUTH_ISSUER": "https://clerk.example.com/",
    "AUTH_AUTHORIZED_PARTIES": "https://a.example.com/, https://b.example.com,",
}
"""Settings as someone would write them in production."""

READ: Mapping[str, object] = {
    "auth_issuer": "https://clerk.example.com",
    "auth_authorized_parties": ["https://a.example.com", "https://b.example.com"],
}
"""What is read from them."""

BAD_SETTINGS = (
    ("AUTH_ISSUER", "http://clerk.example.com"),
    ("AUTH_ISSUER", "clerk.example.com"),
    ("AUTH_ISSUER", "https://user:pass@clerk.example.com"),
    ("AUTH_ISSUER", "https://clerk.example.com/path"),
    ("AUTH_ISSUER", "https://clerk.example.com?x"),
    ("AUTH_ISSUER", "http://localhost.evil.example"),
    ("AUTH_ISSUER", ""),
    ("AUTH_AUTHORIZED_PARTIES", ""),
    ("AUTH_AUTHORIZED_PARTIES", " , "),
    ("AUTH_AUTHORIZED_PARTIES", "*"),
    ("AUTH_AUTHORIZED_PARTIES", "app.example.com"),
    ("AUTH_AUTHORIZED_PARTIES", "https://app.example.com/path"),
    ("AUTH_CLOCK_SKEW", "61"),
    ("AUTH_CLOCK_SKEW", "-1"),
)
"""Settings, one by one, with which nothing may start."""

DEVELOPMENT_ONLY = (
    ("AUTH_ISSUER", "http://127.0.0.1:9000"),
    ("AUTH_ISSUER", "https://127.0.0.1:9000"),
    ("AUTH_ISSUER", "https://localhost"),
    ("AUTH_ISSUER", "https://[::1]:9000"),
    ("AUTH_AUTHORIZED_PARTIES", "http://localhost:3000"),
    ("AUTH_AUTHORIZED_PARTIES", "http://app.example.com"),
)
"""Settings, one by one, that production refuses."""


def _settings(issuer: str) -> Settings:
    return Settings(auth_issuer=issuer, auth_authorized_parties=[PARTY])


def _claims(issuer: str, now: int) -> dict[str, Any]:
    return {
        "azp": PARTY,
        "email": "ada@example.com",
        "exp": now + 60,
        "fea": "o:contacts",
        "fva": [0, -1],
        "iat": now,
        "iss": issuer,
        "jti": "0123456789abcdef0123",
        "name": "Ada",
        "nbf": now - 10,
        "o": {"id": "org_acme", "slg": "acme", "rol": "admin", "per": "read", "fpm": "1"},
        "pla": "o:free",
        "sid": "sess_1",
        "sts": "active",
        "sub": "user_u1",
        "v": 2,
    }


def _with_role(role: str) -> Overrides:
    return {"o": {"id": "org_acme", "rol": f"org:{role}", "slg": ""}}


_OF_USERS = ("azp", "email", "fea", "fva", "name", "nbf", "o", "pla", "sid", "sts", "v")
_MACHINE = {
    **dict.fromkeys(_OF_USERS),
    "sub": "mch_2vYVtestTESTtest",
    "aud": ["mch_1"],
    "scopes": "mch_1",
}

_ID_TOKEN = {
    **dict.fromkeys(_OF_USERS),
    "aud": "qVTuYEy41vzAt3uN",
    "nonce": "n",
    "at_hash": "77QmUPtj",
}

REFUSED = {
    "another issuer": Refused("issued by", {"iss": "https://clerk.evil.example"}),
    "no issuer": Refused("`iss`", {"iss": None}),
    "another party": Refused("no authorized party", {"azp": "https://evil.example"}),
    "a longer party": Refused("no authorized party", {"azp": f"{PARTY}.evil.example"}),
    "an empty party": Refused("no authorized party", {"azp": ""}),
    "no party": Refused("`azp`", {"azp": None}),
    "a list of parties": Refused("$.azp", {"azp": [PARTY]}),
    "a pending session": Refused("pending", {"sts": "pending"}),
    "an ended session": Refused("$.sts", {"sts": "ended"}),
    "no state": Refused("`sts`", {"sts": None}),
    "no version": Refused("version None", {"v": None}),
    "version 1": Refused("version 1", {"v": 1, "org_id": "org_acme", "o": None}),
    "a version as text": Refused("version '2'", {"v": "2"}),
    "no session": Refused("`sid`", {"sid": None}),
    "a machine's subject": Refused("$.sub", {"sub": "mch_2vYVtestTESTtestTESTtestTESTtest"}),
    "a machine's token": Refused("version None", _MACHINE),
    # https://clerk.com/docs/guides/configure/auth-strategies/oauth/how-clerk-implements-oauth
    "an ID token": Refused("version None", _ID_TOKEN),
    "a client's subject": Refused("$.sub", {"sub": "client_2vYVtest"}),
    "an empty id": Refused("$.sub", {"sub": "user_"}),
    "a subject of two lines": Refused("$.sub", {"sub": "user_a\n"}),
    "SQL in the subject": Refused("$.sub", {"sub": "user_a'; drop table users"}),
    "no subject": Refused("`sub`", {"sub": None}),
    "an organization's id alone": Refused("$.o", {"o": "org_acme"}),
    "an organization without id": Refused("`id`", {"o": {"rol": "admin"}}),
    "another kind of id": Refused("$.o.id", {"o": {"id": "acme", "rol": "admin"}}),
    "a long slug": Refused("org_slug", {"o": {"id": "org_a", "rol": "admin", "slg": "a" * 256}}),
    "no role": Refused("`rol`", {"o": {"id": "org_acme"}}),
    "a list of roles": Refused("$.o.rol", {"o": {"id": "org_acme", "rol": ["admin"]}}),
    "impersonation": Refused("impersonated", {"act": {"sub": "user_support"}}),
    "a long address": Refused("$.email", {"email": "a" * 400}),
    **{
        f"typ {typ!r}": Refused("typ", header={"typ": typ})
        for typ in ("at+jwt", "application/at+jwt", "jwt", "", None, 1)
    },
}

SHAPES = {
    "session": Shape(
        settings=_settings,
        header={"typ": "JWT", "oiat": 1, "cat": "cl_B7d4PD111AAA"},
        claims=_claims,
        identity={
            "sub": "user_u1",
            "org_id": "org_acme",
            "org_slug": "acme",
            "org_role": "admin",
            "email": "ada@example.com",
            "name": "Ada",
        },
        session="sess_1",
        without_organization={"o": None},
        with_role=_with_role,
        refused=REFUSED,
        wrong={
            "issuer": "another issuer",
            # A session token has no audience: it is for the front end that asked.
            "audience": "another party",
            "party": "another party",
            "type": "typ 'at+jwt'",
            "ID token": "an ID token",
            "machine": "a machine's token",
        },
    )
}


def event(kind: str, as_of: float, **told: Any) -> dict[str, Any]:
    """An event as Clerk documents it: `user.deleted` and the like, with `subject` and so on.

    https://clerk.com/docs/guides/development/webhooks/overview
    """
    subject, _, verb = kind.partition(".")
    gone = {"deleted": True, "object": subject}
    organization = {
        "id": told.get("organization"),
        "object": "organization",
        "name": told.get("name", "Acme"),
        "slug": told.get("slug", "acme"),
        "members_count": 1,
    }
    person = {
        "id": told.get("subject"),
        "object": "user",
        "first_name": told.get("name"),
        "last_name": None,
        "primary_email_address_id": "idn_2",
        "email_addresses": [
            {"id": "idn_1", "email_address": "old@example.com", "verification": None},
            {
                "id": "idn_2",
                "email_address": told.get("email", "ada@example.com"),
                "verification": {"status": "verified", "strategy": "email_code"},
            },
        ],
    }
    membership = {
        "id": "orgmem_1",
        "object": "organization_membership",
        "role": f"org:{told.get('role', 'member')}",
        "organization": organization,
        "public_user_data": {"user_id": told.get("subject"), "identifier": "ada@example.com"},
    }
    names = {"user": "user", "organization": "organization", "member": "organizationMembership"}
    data = {"user": person, "organization": organization, "member": membership}[subject]
    if verb == "deleted" and subject != "member":
        data = {**gone, "id": data["id"]}
    return {
        "data": data,
        "object": "event",
        "type": f"{names[subject]}.{verb}",
        "timestamp": round(as_of * 1000),
        "instance_id": "ins_1",
        "event_attributes": {"http_request": {"client_ip": "192.0.2.1", "user_agent": "Svix"}},
    }
