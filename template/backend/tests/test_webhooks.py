"""What the sign-in provider tells: who may tell it, and what becomes of it in any order."""

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from standardwebhooks import Webhook

from app.dev.choices import provider as issuer
from app.dev.servers import Connections
from tests.choices import provider
from tests.conftest import Connection, MintToken
from tests.listening import SOON
from tests.running import Platform
from tests.test_realtime_api import TICKETS, closed, connect, receive

PATH = "/api/v1/webhooks/auth"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


class Provider:
    """The provider, as it sends messages."""

    def __init__(self, api: httpx.AsyncClient, mint: MintToken) -> None:
        self.api = api
        self.mint = mint

    async def send(
        self,
        event: dict[str, Any] | bytes,
        *,
        message_id: str | None = None,
        secret: str = SECRET,
        at: float | None = None,
        prefix: str = "webhook",
        **headers: str,
    ) -> httpx.Response:
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        message_id = message_id or f"msg_{uuid4().hex}"
        sent_at = datetime.fromtimestamp(at or time.time(), UTC)
        signed = {
            "id": message_id,
            "timestamp": str(int(sent_at.timestamp())),
            "signature": Webhook(secret.removeprefix("v1,")).sign(
                message_id, sent_at, body.decode(errors="replace")
            ),
        }
        named = {f"{prefix}-{name}": value for name, value in {**signed, **headers}.items()}
        return await self.api.post(
            PATH, content=body, headers={"Content-Type": "application/json", **named}
        )

    async def tell(self, kind: str, as_of: float, **told: Any) -> None:
        response = await self.send(provider.event(kind, as_of, **told))
        assert response.status_code == 204, response.text

    def headers(self, user: str, org: str | None, role: str = "member") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.mint(user, org, role)}"}

    async def me(self, headers: dict[str, str]) -> httpx.Response:
        return await self.api.get("/api/v1/me", headers=headers)


@pytest.fixture(scope="module")
async def told(
    platform: Platform, database: Connections, token: MintToken
) -> AsyncIterator[Provider]:
    """Of an API that has few tenants: what is told is written down wherever a tenant may be."""
    process, address = platform.api(database, AUTH_WEBHOOK_SECRETS=f"{SECRET} {OLD_SECRET}")
    process.start()
    async with httpx.AsyncClient(base_url=address, timeout=30.0, trust_env=False) as api:
        yield Provider(api, token)
    process.stop()


def deletion(subject: str | None = None) -> dict[str, Any]:
    subject = subject or issuer.subject(uuid4().hex)
    return provider.event("user.deleted", time.time(), subject=subject)


@pytest.mark.parametrize("prefix", ["webhook", "svix"])
@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET, f"v1,{SECRET}"])
async def test_a_signed_message_is_taken(told: Provider, prefix: str, secret: str) -> None:
    assert (await told.send(deletion(), prefix=prefix, secret=secret)).status_code == 204


async def test_one_good_signature_of_several_is_enough(told: Provider) -> None:
    body, message_id, now = json.dumps(deletion()).encode(), "msg_several", time.time()
    good = Webhook(SECRET).sign(message_id, datetime.fromtimestamp(now, UTC), body.decode())
    for signatures in (f"v1,{'A' * 43}= {good}", f"v1a,xxxx, {good}", f"{good} v1,xx"):
        response = await told.send(body, message_id=message_id, at=now, signature=signatures)
        assert response.status_code == 204, signatures


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
        {"at": time.time() - 3600},
        {"at": time.time() + 3600},
        {"signature": ""},
        {"signature": "v1"},
        {"signature": "v1,"},
        {"signature": "v1,!!!"},
        {"signature": ",,,"},
        {"signature": "v2,abc"},
        {"timestamp": ""},
        {"timestamp": "now"},
        {"timestamp": "nan"},
        {"timestamp": "inf"},
        {"timestamp": "1e400"},
        {"timestamp": "-1"},
        {"id": ""},
        {"id": "another"},
    ],
    ids=str,
)
async def test_what_is_not_signed_changes_nothing(told: Provider, wrong: dict[str, Any]) -> None:
    name = uuid4().hex
    headers = told.headers(name, name)
    assert (await told.me(headers)).status_code == 200
    response = await told.send(deletion(issuer.subject(name)), **wrong)
    assert response.status_code == 401, response.text
    assert response.headers["WWW-Authenticate"].startswith("Webhook")
    assert (await told.me(headers)).status_code == 200


async def test_a_body_that_was_changed_is_refused(told: Provider) -> None:
    name = uuid4().hex
    body = json.dumps(deletion()).encode()
    now = time.time()
    signature = Webhook(SECRET).sign("msg_1", datetime.fromtimestamp(now, UTC), body.decode())
    other = json.dumps(deletion(issuer.subject(name))).encode()
    response = await told.send(other, message_id="msg_1", at=now, signature=signature)
    assert response.status_code == 401
    assert (await told.send(b"\xff\xfe", signature=signature, id="msg_1")).status_code == 401


async def test_without_a_secret_nobody_is_listened_to(
    api: httpx.AsyncClient, token: MintToken
) -> None:
    response = await Provider(api, token).send(deletion())
    assert response.status_code == 404
    assert "AUTH_WEBHOOK_SECRETS" in response.json()["detail"]


async def test_who_is_deleted_is_out_at_once_and_stays_out(
    told: Provider, admin: Connection
) -> None:
    name = uuid4().hex
    headers = told.headers(name, name, "owner")
    subject = (await told.me(headers)).json()["user"]["subject"]
    made = await told.api.post(
        "/api/v1/api-keys", headers=headers, json={"name": "r", "scopes": ["contacts:read"]}
    )
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    ticket = (await told.api.post(TICKETS, headers=headers)).json()["ticket"]
    async with connect(told.api, ticket) as client:
        assert (await receive(client))["type"] == "hello"
        await told.tell("user.deleted", time.time(), subject=subject)
        async with asyncio.timeout(SOON):
            assert await closed(client) == 4403
    for credentials in (headers, told.headers(name, name, "owner"), told.headers(name, None)):
        refused = await told.me(credentials)
        assert refused.status_code == 403, refused.text
    assert (await told.api.get("/api/v1/contacts", headers=key)).status_code == 401
    await told.tell("user.updated", time.time() + 60, subject=subject, email="back@example.com")
    assert (await told.me(headers)).status_code == 403
    kept = admin.execute(
        "select email, name from public.users where subject = %s", (subject,)
    ).fetchall()
    assert kept == [(None, None)]


async def test_who_was_deleted_before_anybody_saw_them_stays_out(told: Provider) -> None:
    name = uuid4().hex
    await told.tell("user.deleted", time.time(), subject=issuer.subject(name))
    assert (await told.me(told.headers(name, name))).status_code == 403


async def test_the_latest_news_of_a_person_counts(told: Provider) -> None:
    name = uuid4().hex
    headers = told.headers(name, name)
    subject = (await told.me(headers)).json()["user"]["subject"]
    now = time.time()
    await told.tell("user.updated", now, subject=subject, email="new@example.com", name="New")
    await told.tell("user.updated", now - 60, subject=subject, email="o@example.com", name="Old")
    user = (await told.me(headers)).json()["user"]
    assert (user["email"], user["name"]) == ("new@example.com", "New")


async def test_a_second_delivery_changes_nothing(told: Provider) -> None:
    name = uuid4().hex
    headers = told.headers(name, name)
    subject = (await told.me(headers)).json()["user"]["subject"]
    event = provider.event("user.updated", time.time(), subject=subject, name="Once")
    answers = await asyncio.gather(*(told.send(event, message_id=f"m_{name}") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {204}
    assert (await told.me(headers)).json()["user"]["name"] == "Once"


async def test_other_events_are_let_go(told: Provider) -> None:
    for kind in ("session.created", "email.created", "user", "", "user.created.twice"):
        event = {**provider.event("user.deleted", time.time(), subject="x"), "type": kind}
        assert (await told.send(event)).status_code == 204


async def test_what_cannot_be_read_waits_for_an_operator(
    told: Provider, platform: Platform, database: Connections
) -> None:
    def types(*words: str) -> subprocess.CompletedProcess[str]:
        return platform.app("webhooks", *words, connections=database)

    message_id = f"msg_{uuid4().hex}"
    broken = {**deletion(), "data": {"id": 42, "user_id": 42}}
    assert (await told.send(broken, message_id=message_id)).status_code == 204
    assert (await told.send(b"not json\0", message_id=f"{message_id}_2")).status_code == 204
    for number, wrong in enumerate(
        (
            provider.event("user.updated", 1.0, subject="a\0b", name="x"),
            provider.event("user.updated", 1.0, subject="a" * 256, name="x"),
            provider.event("user.updated", 1.0, subject=uuid4().hex, email="a" * 400),
            provider.event("user.updated", 1.0, subject=uuid4().hex, name="\ud800"),
        )
    ):
        answer = await told.send(wrong, message_id=f"{message_id}_{number + 3}")
        assert answer.status_code == 204, answer.text
    listed = types("list")
    assert listed.returncode == 0, listed.stderr
    assert message_id in listed.stdout
    assert f"{message_id}_2" in listed.stdout
    assert json.loads(types("show", message_id).stdout) == broken
    # The provider sends it again, and it can be read by now.
    assert (await told.send(deletion(), message_id=message_id)).status_code == 204
    assert types("show", message_id).returncode != 0
    assert types("drop", f"{message_id}_2").returncode == 0
    assert f"{message_id}_2" not in types("list").stdout
