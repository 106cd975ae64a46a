"""A real OpenID Connect provider on loopback, and signing in to it as a browser does."""

import base64
import hashlib
import json
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from joserfc.jwk import ECKey, KeyParameters, RSAKey

import npm
from driving import STOP_SECONDS, free_port, until

CALLBACK = "http://127.0.0.1/signed-in"
PAGES = 12
"""More than any sign-in takes."""

Key = RSAKey | ECKey


def new_key(algorithm: str) -> Key:
    """A key pair with a name of its own."""
    parameters: KeyParameters = {"kid": secrets.token_hex(4), "use": "sig", "alg": algorithm}
    if algorithm == "ES256":
        return ECKey.generate_key("P-256", parameters)
    return RSAKey.generate_key(2048, parameters)


class Provider:
    """npm's `oidc-provider`, a certified implementation, on a port that it keeps.

    Args:
        folder: Where it is installed.
        organization: The claims that every access token has of the user's organization.
        app_url: The front end that is a client of it, if there is one: `app`, with this secret.
        token_seconds: How long an access token is good.
    """

    def __init__(
        self,
        folder: Path,
        organization: Mapping[str, object],
        *,
        app_url: str = "",
        token_seconds: int = 600,
    ) -> None:
        self.app_secret = secrets.token_urlsafe(32)
        self._folder = folder
        self._organization = organization
        self._app_url = app_url
        self._token_seconds = token_seconds
        self._port = free_port()
        self._secret = secrets.token_urlsafe(32)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def install(self) -> None:
        npm.install("oidc_provider", self._folder)

    def start(self, keys: Sequence[Key]) -> None:
        """Run it with these keys, of which the first signs; it has forgotten every sign-in."""
        self.stop()
        node = shutil.which("node")
        assert node, "npm is there, and node is not"
        settings = {
            "PORT": str(self._port),
            "KEYS": json.dumps([key.as_dict(private=True) for key in keys]),
            "ORGANIZATION": json.dumps(self._organization),
            "MACHINE_SECRET": self._secret,
            "APP_URL": self._app_url,
            "APP_SECRET": self.app_secret,
            "TOKEN_SECONDS": str(self._token_seconds),
        }
        log = self._folder / "log"
        with log.open("wb") as output:
            process = self._process = subprocess.Popen(
                [node, "provider.mjs"],
                cwd=self._folder,
                env=settings,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

        def is_ready() -> bool:
            assert process.poll() is None, f"the provider has ended:\n{log.read_text()}"
            return "ready\n" in log.read_text()

        until(is_ready, "the provider")

    def grants(self, kind: str) -> int:
        """How many times it has issued tokens for this grant since it was started."""
        return (self._folder / "log").read_text().splitlines().count(f"granted {kind}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(STOP_SECONDS)
            self._process = None

    def sign_in(self, user: str, resource: str | None) -> dict[str, Any]:
        """The tokens of somebody who signs in and consents: the code flow, with PKCE.

        Args:
            user: What they type.
            resource: The API that the access token is for (RFC 8707); None: the provider itself.
        """
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        wanted = {} if resource is None else {"resource": resource}
        asked = {
            "client_id": "browser",
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid offline_access contacts",
            "prompt": "consent",
            "state": secrets.token_urlsafe(),
            "nonce": secrets.token_urlsafe(),
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        with httpx.Client(base_url=self.issuer, trust_env=False) as browser:
            answer = browser.get("/auth", params=asked | wanted)
            arrived = parse_qs(urlsplit(_through_the_forms(browser, answer, user)).query)
        assert arrived["state"] == [asked["state"]], arrived
        return self._tokens(
            grant_type="authorization_code",
            client_id="browser",
            code=arrived["code"][0],
            redirect_uri=CALLBACK,
            code_verifier=verifier,
            **wanted,
        )

    def refresh(self, tokens: Mapping[str, Any], resource: str) -> dict[str, Any]:
        """New tokens for who has signed in."""
        return self._tokens(
            grant_type="refresh_token",
            client_id="browser",
            refresh_token=tokens["refresh_token"],
            resource=resource,
        )

    def machine_token(self, resource: str) -> str:
        """An access token that a program got for itself."""
        tokens = self._tokens(
            grant_type="client_credentials",
            client_id="machine",
            client_secret=self._secret,
            scope="contacts",
            resource=resource,
        )
        return str(tokens["access_token"])

    def _tokens(self, **form: str) -> dict[str, Any]:
        basic = None
        if "client_secret" in form:
            basic = (form.pop("client_id"), form.pop("client_secret"))
        answer = httpx.post(f"{self.issuer}/token", data=form, auth=basic, trust_env=False)
        assert answer.status_code == httpx.codes.OK, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens


def _through_the_forms(browser: httpx.Client, answer: httpx.Response, user: str) -> str:
    """Follow redirects and send forms until the browser is sent back to the application."""
    for _ in range(PAGES):
        if answer.has_redirect_location:
            where = urljoin(str(answer.url), answer.headers["location"])
            if where.startswith(CALLBACK):
                return where
            answer = browser.get(where)
            continue
        form = re.search(r'<form[^>]* action="([^"]+)"', answer.text)
        prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
        assert answer.is_success, answer.text
        assert form, answer.text
        assert prompt, answer.text
        typed = {"login": user, "password": "any"} if prompt[1] == "login" else {}
        answer = browser.post(form[1], data={"prompt": prompt[1]} | typed)
    raise AssertionError(f"signing in never ends: {answer.url}")
