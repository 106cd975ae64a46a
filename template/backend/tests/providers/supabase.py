"""Supabase's access tokens: https://supabase.com/docs/guides/auth/jwt-fields."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.auth.supabase import Settings
from tests.providers import Refused, Shape, plain

event = plain.event

USER = "8ccaa7af-909f-44e7-84cb-67cdccb56be6"
ORGANIZATION = "123e4567-e89b-12d3-a456-426614174000"
SESSION = "4b938a09-5372-4177-a314-cfa292099ea2"

ENVIRONMENT = {
    "AUTH_ISSUER": "https://abc.supabase.co/auth/v1/",
    "AUTH_CLIENT_IDS": "a, b,",
    "AUTH_MINIMUM_AAL": "aal2",
}
"""Settings as someone would write them in production."""

READ: Mapping[str, object] = {
    "auth_issuer": "https://abc.supabase.co/auth/v1",
    "auth_client_ids": ["a", "b"],
    "auth_minimum_aal": "aal2",
}
"""What is read from them."""

BAD_SETTINGS = (
    ("AUTH_ISSUER", "http://abc.supabase.co/auth/v1"),
    ("AUTH_ISSUER", "abc.supabase.co/auth/v1"),
    ("AUTH_ISSUER", "https://abc.supabase.co"),
    ("AUTH_ISSUER", "https://user:pass@abc.supabase.co/auth/v1"),
    ("AUTH_ISSUER", "https://abc.supabase.co/auth/v1?x"),
    ("AUTH_ISSUER", "https://evil.example?/auth/v1"),
    ("AUTH_ISSUER", "http://localhost.evil.example/auth/v1"),
    ("AUTH_ISSUER", ""),
    ("AUTH_MINIMUM_AAL", "2"),
    ("AUTH_MINIMUM_AAL", ""),
    ("AUTH_CLOCK_SKEW", "61"),
    ("AUTH_CLOCK_SKEW", "-1"),
)
"""Settings, one by one, with which nothing may start."""

DEVELOPMENT_ONLY = (
    ("AUTH_ISSUER", "http://127.0.0.1:9000/auth/v1"),
    ("AUTH_ISSUER", "https://127.0.0.1:9000/auth/v1"),
    ("AUTH_ISSUER", "https://localhost/auth/v1"),
    ("AUTH_ISSUER", "https://[::1]:9000/auth/v1"),
)
"""Settings, one by one, that production refuses."""


def _claims(issuer: str, now: int) -> dict[str, Any]:
    return {
        "aal": "aal1",
        "amr": [{"method": "password", "timestamp": now}],
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "aud": "authenticated",
        "email": "ada@example.com",
        "exp": now + 60,
        "iat": now,
        "is_anonymous": False,
        "iss": issuer,
        "org_id": ORGANIZATION,
        "org_role": "admin",
        "org_slug": "acme",
        "phone": "",
        "role": "authenticated",
        "session_id": SESSION,
        "sub": USER,
        # Everyone can write this about themselves.
        "user_metadata": {"org_id": "victim", "org_role": "owner", "name": "Root"},
    }


# https://supabase.com/docs/guides/api/api-keys: the older keys are tokens without a user.
_OF_USERS = (
    *("aal", "amr", "app_metadata", "aud", "email", "is_anonymous", "org_id", "org_role"),
    *("org_slug", "phone", "session_id", "sub", "user_metadata"),
)
_API_KEY = {**dict.fromkeys(_OF_USERS), "ref": "abc", "iss": "supabase"}

REFUSED = {
    "another project": Refused("issued by", {"iss": "https://evil.supabase.co/auth/v1"}),
    "no issuer": Refused("`iss`", {"iss": None}),
    "for another API": Refused("meant for", {"aud": "https://evil.example"}),
    "for others": Refused("meant for", {"aud": ["anon", "authenticated.evil"]}),
    "for nobody": Refused("`aud`", {"aud": None}),
    "the public API key": Refused("role is 'anon'", {**_API_KEY, "role": "anon"}),
    "the secret API key": Refused("role is 'service_role'", {**_API_KEY, "role": "service_role"}),
    "a role of the database": Refused("role is 'postgres'", {"role": "postgres"}),
    "no role": Refused("role is None", {"role": None}),
    "a list of roles": Refused("role is ['auth", {"role": ["authenticated"]}),
    "nobody in particular": Refused("anonymous", {"is_anonymous": True}),
    "anonymous or not": Refused("$.is_anonymous", {"is_anonymous": "false"}),
    # https://supabase.com/docs/guides/auth/oauth-server/token-security
    "an application of others": Refused(
        "OAuth application", {"client_id": "9a8b7c6d-5e4f-3a2b-1c0d-9e8f7a6b5c4d", "user_id": USER}
    ),
    "an ID token of theirs": Refused(
        "role is None", {"role": None, "aud": "9a8b7c6d-5e4f", "session_id": None, "nonce": "n"}
    ),
    "impersonation": Refused("impersonated", {"act": {"sub": "support"}}),
    "no session": Refused("`session_id`", {"session_id": None}),
    "another kind of session": Refused("$.session_id", {"session_id": "sess_1"}),
    "no assurance": Refused("`aal`", {"aal": None}),
    "no subject": Refused("`sub`", {"sub": None}),
    "a subject that is no UUID": Refused("$.sub", {"sub": "user_u1"}),
    "a subject of two lines": Refused("$.sub", {"sub": f"{USER}\n"}),
    "an organization that is a number": Refused("$.org_id", {"org_id": 42}),
    "an empty organization": Refused("$.org_id", {"org_id": ""}),
    "a list of organizations": Refused("$.org_id", {"org_id": [ORGANIZATION]}),
    "a long organization": Refused("$.org_id", {"org_id": "a" * 256}),
    "a long slug": Refused("org_slug", {"org_slug": "a" * 256}),
    "a role that is no text": Refused("$.org_role", {"org_role": ["admin"]}),
    "a long address": Refused("$.email", {"email": "a" * 400}),
    **{
        f"typ {typ!r}": Refused("typ", header={"typ": typ})
        for typ in ("at+jwt", "jwt", "", None, 1)
    },
}

_USER = Shape(
    settings=lambda issuer: Settings(auth_issuer=issuer),
    header={"typ": "JWT"},
    claims=_claims,
    issuer_path="/auth/v1",
    keys_path="/auth/v1/.well-known/jwks.json",
    identity={
        "sub": USER,
        "org_id": ORGANIZATION,
        "org_slug": "acme",
        "org_role": "admin",
        "email": "ada@example.com",
        "email_verified": True,
    },
    session=SESSION,
    without_organization={"org_id": None, "org_slug": None, "org_role": None},
    with_role=lambda role: {"org_role": role},
    refused=REFUSED,
    wrong={
        "issuer": "another project",
        "audience": "for another API",
        "party": "an application of others",
        "type": "typ 'at+jwt'",
        "ID token": "an ID token of theirs",
        "machine": "the secret API key",
    },
)

SHAPES = {
    "user": _USER,
    "two factors": replace(
        _USER,
        settings=lambda issuer: Settings(auth_issuer=issuer, auth_minimum_aal="aal2"),
        claims=lambda issuer, now: _claims(issuer, now) | {"aal": "aal2"},
        refused={**REFUSED, "one factor": Refused("session is aal1", {"aal": "aal1"})},
    ),
}
