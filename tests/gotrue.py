"""Supabase Auth's protocol on loopback, as far as signing in with an address and a password takes.

Its requests and answers are those of https://github.com/supabase/auth (openapi.yaml). It signs
nobody's tokens itself: they are the product's development tokens, which have Supabase's shape and
which the product's API trusts.
"""

import base64
import hashlib
import json
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from driving import Product, claims_of
from rendering import clean_environment

REUSE_SECONDS = 10.0
"""How long a refresh token that was used may come once more: requests overlap."""

_SIGN = """
import sys
from app.dev.choices import provider
from app.dev.tokens import mint
user, seconds, email = sys.argv[1:]
print(mint(user, ttl=int(seconds), **provider.address(email)))
"""

Body = Mapping[str, Any]


@dataclass
class Account:
    """Somebody with a password, and when they confirmed their address."""

    email: str
    password: str
    confirmed_at: str | None = None


@dataclass
class Session:
    """One sign-in, its refresh token, and the one before with the time when it was used."""

    account: Account
    refresh: str = field(default_factory=secrets.token_urlsafe)
    used: tuple[str, float] | None = None


class RefusalError(Exception):
    """An error as the API words it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message}


class GoTrue:
    """The service: its accounts, its sessions, and the mails that it would have sent.

    Args:
        product: Whose development issuer signs.
    """

    def __init__(self, product: Product) -> None:
        self.key = f"sb_publishable_{secrets.token_urlsafe(16)}"
        self.seconds = 3600
        self.renewals = 0
        self.accounts: dict[str, Account] = {}
        self.sessions: list[Session] = []
        self.mails: dict[str, str] = {}
        self.asked: dict[str, Body] = {}
        self.url = ""
        self._product = product
        self._codes: dict[str, tuple[Account, str]] = {}
        self._links: dict[str, tuple[Account, str, str]] = {}
        self._lock = threading.Lock()

    def add(self, email: str, password: str) -> Account:
        """Somebody who has confirmed their address."""
        account = self.accounts[email] = Account(email, password, _now())
        return account

    # --- What is asked of it ---

    def sign_up(self, query: Body, body: Body) -> Body:
        account = Account(body["email"], body["password"])
        self.accounts[account.email] = account
        self.asked[account.email] = body
        assert body["code_challenge_method"] == "s256"
        link = secrets.token_hex(28)
        self._links[link] = (account, query["redirect_to"], body["code_challenge"])
        wanted = {"token": link, "type": "signup", "redirect_to": query["redirect_to"]}
        self.mails[account.email] = f"{self.url}/auth/v1/verify?{urlencode(wanted)}"
        return _person(account, secrets.token_hex(16))

    def verify(self, query: Body) -> str:
        """Where a link in a mail leads: to the product, with a code."""
        found = self._links.pop(query["token"], None)
        if found is None:
            raise RefusalError(403, "otp_expired", "Email link is invalid or has expired")
        account, back, challenge = found
        account.confirmed_at = _now()
        code = secrets.token_hex(16)
        self._codes[code] = (account, challenge)
        return f"{back}?{urlencode({'code': code})}"

    def token(self, query: Body, body: Body) -> Body:
        with self._lock:
            match query["grant_type"]:
                case "password":
                    return self._issue(Session(self._who(body)))
                case "pkce":
                    return self._issue(Session(self._whose(body)))
                case "refresh_token":
                    session = self._renewed(body["refresh_token"])
                    self.renewals += 1
                    return self._issue(session)
        raise RefusalError(400, "validation_failed", "unsupported_grant_type")

    def log_out(self, token: str) -> None:
        email = claims_of(token)[1]["email"]
        self.sessions = [found for found in self.sessions if found.account.email != email]

    def keys(self) -> Body:
        issuer = self._product.runtime()["urls"]["issuer"]
        published: Body = httpx.get(f"{issuer}/.well-known/jwks.json", trust_env=False).json()
        return published

    # ---

    def _who(self, body: Body) -> Account:
        account = self.accounts.get(body["email"])
        if account is None or account.password != body["password"]:
            raise RefusalError(400, "invalid_credentials", "Invalid login credentials")
        if account.confirmed_at is None:
            raise RefusalError(400, "email_not_confirmed", "Email not confirmed")
        return account

    def _whose(self, body: Body) -> Account:
        account, challenge = self._codes.pop(body["auth_code"], (None, ""))
        digest = hashlib.sha256(body["code_verifier"].encode()).digest()
        if account is None or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
            raise RefusalError(403, "flow_state_not_found", "no valid flow state found")
        return account

    def _renewed(self, refresh: str) -> Session:
        for session in self.sessions:
            if session.refresh == refresh:
                session.used = (refresh, time.monotonic())
                session.refresh = secrets.token_urlsafe()
                return session
            if session.used and session.used[0] == refresh:
                if time.monotonic() - session.used[1] < REUSE_SECONDS:
                    return session
                self.sessions.remove(session)
                raise RefusalError(
                    400, "refresh_token_already_used", "Invalid Refresh Token: Already Used"
                )
        message = "Invalid Refresh Token: Refresh Token Not Found"
        raise RefusalError(400, "refresh_token_not_found", message)

    def _issue(self, session: Session) -> Body:
        if session not in self.sessions:
            self.sessions.append(session)
        email = session.account.email
        person = (email.partition("@")[0], str(self.seconds), email)
        token = subprocess.run(
            [self._product.repository / "backend/.venv/bin/python", "-c", _SIGN, *person],
            cwd=self._product.repository / "backend",
            env=clean_environment(),
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        claims = claims_of(token)[1]
        return {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": self.seconds,
            "expires_at": claims["exp"],
            "refresh_token": session.refresh,
            "user": _person(session.account, claims["sub"]),
        }


def _person(account: Account, subject: str) -> Body:
    return {
        "id": subject,
        "aud": "authenticated",
        "role": "authenticated",
        "email": account.email,
        "email_confirmed_at": account.confirmed_at,
        "phone": "",
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": {},
        "identities": [],
        "created_at": _now(),
        "updated_at": _now(),
        "is_anonymous": False,
    }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class _Handler(BaseHTTPRequestHandler):
    service: GoTrue

    def do_GET(self) -> None:
        self._answer({"/verify": self._verify, "/.well-known/jwks.json": self._keys})

    def do_POST(self) -> None:
        self._answer({"/token": self._token, "/signup": self._sign_up, "/logout": self._log_out})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        """Nothing: a test's output is its own."""

    def _answer(self, answers: Mapping[str, Any]) -> None:
        path = urlsplit(self.path).path.removeprefix("/auth/v1")
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        query = dict(parse_qsl(urlsplit(self.path).query))
        # A link in a mail, and the keys, are for everybody.
        if self.command == "POST" and self.headers.get("apikey") != self.service.key:
            self._send(401, {"message": "No API key found in request"})
            return
        try:
            answers[path](query, body)
        except RefusalError as refusal:
            self._send(refusal.status, refusal.body)

    def _verify(self, query: Body, _: Body) -> None:
        self.send_response(303)
        self.send_header("Location", self.service.verify(query))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _keys(self, _query: Body, _body: Body) -> None:
        self._send(200, self.service.keys())

    def _token(self, query: Body, body: Body) -> None:
        self._send(200, self.service.token(query, body))

    def _sign_up(self, query: Body, body: Body) -> None:
        self._send(200, self.service.sign_up(query, body))

    def _log_out(self, query: Body, _: Body) -> None:
        assert query["scope"] == "local"
        self.service.log_out(self.headers["authorization"].removeprefix("Bearer "))
        self.send_response(204)
        self.end_headers()

    def _send(self, status: int, body: Body) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Supabase-Api-Version", "2024-01-01")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(product: Product) -> Iterator[GoTrue]:
    """Serve it as long as the block runs."""
    service = GoTrue(product)
    handler = type("Handler", (_Handler,), {"service": service})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
