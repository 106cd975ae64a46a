"""API keys: who gets one, what it opens, and what ends it."""

import asyncio
import base64
import hashlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4

import httpx
import pytest

from app.auth.keys import LENGTH, PREFIX
from app.auth.permissions import NO_SCOPES, Permission
from app.choices import tenancy
from app.dev.choices import provider
from app.dev.processes import wait_until
from app.features.api_keys.schemas import SCOPES
from tests.choices import tenants
from tests.conftest import Connection, MintToken
from tests.listening import SOON
from tests.running import AppProcess, Platform
from tests.test_contacts import add
from tests.test_imports import Office, csv_of, people
from tests.test_realtime_api import TICKETS, closed, connect, receive

KEYS = "/api/v1/api-keys"
CONTACTS = "/api/v1/contacts"


def as_key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@dataclass
class Person:
    """Somebody who is signed in, in a tenant of their own."""

    api: httpx.AsyncClient
    headers: dict[str, str]
    name: str
    tenant_id: UUID

    async def make(
        self, *scopes: str, name: str = "robot", **more: Any
    ) -> tuple[str, dict[str, Any]]:
        """A new key, and what was told of it."""
        new = {"name": name, "scopes": scopes or ("contacts:read",), **more}
        made = await self.api.post(KEYS, headers=self.headers, json=new)
        assert made.status_code == 201, made.text
        assert made.headers["Cache-Control"] == "no-store"
        told: dict[str, Any] = made.json()
        return told.pop("key"), told

    async def told_scopes(self) -> list[str]:
        """What they are told that a key of theirs may be allowed."""
        me = (await self.api.get("/api/v1/me", headers=self.headers)).json()
        scopes: list[str] = me["key_scopes"]
        return scopes

    async def possible_scopes(self) -> list[str]:
        """What a key of theirs may be allowed, tried one by one."""
        found = []
        for scope in sorted(get_args(Permission)):
            new = {"name": "robot", "scopes": [scope]}
            made = await self.api.post(KEYS, headers=self.headers, json=new)
            if made.status_code == 201:
                found.append(scope)
        return found

    async def keys(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.api.get(KEYS, headers=self.headers)).json()[
            "items"
        ]
        return items

    async def revoke(self, key_id: str) -> int:
        return (await self.api.delete(f"{KEYS}/{key_id}", headers=self.headers)).status_code

    async def reads(self, key: str) -> int:
        return (await self.api.get(CONTACTS, headers=as_key(key))).status_code


@pytest.fixture
def somebody(api: httpx.AsyncClient, token: MintToken) -> Callable[..., Any]:
    async def make(role: str = "owner", org: str | None = None) -> Person:
        name = uuid4().hex
        headers = as_key(token(name, org or name, role))
        me = (await api.get("/api/v1/me", headers=headers)).json()
        return Person(api, headers, name, tenants.id_of(me))

    return make


@pytest.fixture
async def person(somebody: Callable[..., Any]) -> Person:
    made: Person = await somebody()
    return made


async def test_a_key_is_shown_once_and_opens_what_its_scopes_name(
    person: Person, as_admin: Connection
) -> None:
    await add(person.api, person.headers)
    key, told = await person.make("contacts:read")
    assert (len(key), key[:3], told["ending"]) == (LENGTH, PREFIX, key[-4:])
    found = await person.api.get(CONTACTS, headers=as_key(key))
    assert len(found.json()["items"]) == 1
    refused = await person.api.post(
        CONTACTS, headers=as_key(key), json={"name": "A", "email": "a@example.com"}
    )
    assert refused.status_code == 403
    assert "API key" in refused.json()["detail"]
    me = (await person.api.get("/api/v1/me", headers=as_key(key))).json()
    assert me["permissions"] == ["contacts:read"]
    assert me["user"]["subject"] == provider.subject(person.name)
    [listed] = await person.keys()
    assert listed | {"used_at": None} == told
    assert "key" not in listed
    events = await person.api.get("/api/v1/audit-events?table=api_keys", headers=person.headers)
    [event] = events.json()["items"]
    assert event["new"].keys() > {"id", "name", "scopes", "expires_at"}
    digest = hashlib.sha256(key.encode()).hexdigest()
    assert as_admin.execute(
        "select encode(hash, 'hex') from app.api_keys where id = %s", (told["id"],)
    ).fetchone() == (digest,)
    assert digest not in events.text
    for (table,) in as_admin.execute(
        "select format('%I.%I', schemaname, tablename) from pg_tables"
        " where schemaname in ('public', 'app', 'audit')"
    ).fetchall():
        kept = as_admin.execute(
            f"select count(*) from {table} t where t::text like %s".encode(), (f"%{key[-43:]}%",)
        ).fetchone()
        assert kept == (0,), f"{table} holds the key"


async def test_a_key_may_write_and_the_trail_names_it(person: Person) -> None:
    key, told = await person.make("contacts:read", "contacts:write", "audit:read")
    assert (await add(person.api, as_key(key))).status_code == 201
    for path in ("?table=contacts", "?table=api_keys"):
        events = await person.api.get(f"/api/v1/audit-events{path}", headers=as_key(key))
        [event] = events.json()["items"]
        assert event["actor"] == provider.subject(person.name)
        assert event["api_key_id"] == (told["id"] if path.endswith("contacts") else None)


@pytest.mark.usefixtures("worker")
async def test_the_trail_names_the_key_whose_job_it_was(person: Person, token: MintToken) -> None:
    key, told = await person.make("imports:read", "imports:write")
    office = Office(person.api, token)
    office.headers = as_key(key)
    sent = await office.upload(csv_of(people(3)))
    assert (await office.finished(sent.json()["id"]))["status"] == "succeeded"
    events = await person.api.get("/api/v1/audit-events?table=contacts", headers=person.headers)
    named = [(event["actor"], event["api_key_id"]) for event in events.json()["items"]]
    assert named == [(provider.subject(person.name), told["id"])] * 3


async def test_the_use_of_a_key_is_noted_once_a_minute(
    person: Person, as_admin: Connection
) -> None:
    key, told = await person.make()
    assert (await person.keys())[0]["used_at"] is None
    answers = await asyncio.gather(*(person.reads(key) for _ in range(20)))
    assert set(answers) == {200}
    first = (await person.keys())[0]["used_at"]
    assert first is not None
    await person.reads(key)
    assert (await person.keys())[0]["used_at"] == first
    as_admin.execute(
        "update app.api_key_uses set used_at = used_at - interval '2 minutes' where id = %s",
        (told["id"],),
    )
    await person.reads(key)
    assert (await person.keys())[0]["used_at"] >= first


async def test_a_revoked_key_is_refused_at_once_and_stays_so(person: Person) -> None:
    key, told = await person.make()
    assert await person.reads(key) == 200
    assert await person.revoke(told["id"]) == 204
    assert await person.reads(key) == 401
    revoked_at = (await person.keys())[0]["revoked_at"]
    assert revoked_at is not None
    assert await person.revoke(told["id"]) == 204
    assert (await person.keys())[0]["revoked_at"] == revoked_at
    assert await person.revoke(str(uuid4())) == 404


async def test_an_expired_key_is_refused(person: Person, as_admin: Connection) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    key, _ = await person.make(expires_at=soon.isoformat())
    assert await person.reads(key) == 200
    as_admin.execute("select pg_sleep_until(%s)", (soon,))
    assert await person.reads(key) == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a\nb"},
        {"name": "a" * 101},
        {"scopes": []},
        {"scopes": ["everything"]},
        {"scopes": "contacts:read"},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "9999-01-01T00:00:00Z"},
        {"expires_at": 1},
        {"user_id": str(uuid4())},
        {"tenant_id": str(uuid4())},
    ],
)
async def test_what_is_no_key_to_make(person: Person, wrong: dict[str, Any]) -> None:
    new = {"name": "robot", "scopes": ["contacts:read"], **wrong}
    response = await person.api.post(KEYS, headers=person.headers, json=new)
    assert response.status_code == 422, response.text


async def test_a_key_expires_even_if_nobody_said_so(person: Person) -> None:
    _, told = await person.make()
    left = datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=364) < left <= timedelta(days=365)


async def test_people_are_told_what_a_key_of_theirs_may_be_allowed(person: Person) -> None:
    told = await person.told_scopes()
    assert "contacts:write" in told
    assert told == await person.possible_scopes()
    key, _ = await person.make(*told)
    me = (await person.api.get("/api/v1/me", headers=as_key(key))).json()
    assert (me["permissions"], me["key_scopes"]) == (told, [])


async def test_no_key_lets_others_in_or_stays(person: Person) -> None:
    for scope in NO_SCOPES:
        response = await person.api.post(
            KEYS, headers=person.headers, json={"name": "r", "scopes": [scope]}
        )
        assert response.json()["type"] == "urn:problem:scope-not-allowed"
    key, told = await person.make(*SCOPES)
    made = await person.api.post(
        KEYS, headers=as_key(key), json={"name": "r", "scopes": ["contacts:read"]}
    )
    assert made.status_code == 403
    revoked = await person.api.delete(f"{KEYS}/{told['id']}", headers=as_key(key))
    assert revoked.status_code == 403
    for method, path in tenants.ALONE:
        url = path.format(organization_id=person.tenant_id)
        response = await person.api.request(method, url, headers=as_key(key), json={"name": "r"})
        assert response.status_code in {403, 404, 405}, response.text


def forged(key: str, at: int) -> str:
    """The same key with another byte at a place."""
    parts = bytearray(base64.urlsafe_b64decode(key.removeprefix(PREFIX) + "=="))
    parts[at] ^= 1
    return PREFIX + base64.urlsafe_b64encode(parts).rstrip(b"=").decode()


async def test_a_forged_key_is_refused(person: Person, somebody: Callable[..., Any]) -> None:
    key, _ = await person.make()
    other: Person = await somebody()
    other_key, _ = await other.make()
    whole = [base64.urlsafe_b64decode(k.removeprefix(PREFIX) + "==") for k in (key, other_key)]
    mixed = [
        PREFIX + base64.urlsafe_b64encode(parts).rstrip(b"=").decode()
        for parts in (
            whole[0][:16] + whole[1][16:],
            whole[0][:32] + whole[1][32:],
            whole[1][:16] + whole[0][16:],
            bytes(64),
        )
    ]
    wrong = [
        *mixed,
        *(forged(key, at) for at in (0, 16, 32, 63)),
        *(key[:-1], f"{key}A", f"{key}=", f"{key}==", key.upper(), PREFIX, f"{PREFIX}ü"),
        f"{PREFIX}{'a' * 10_000}",
        key.removeprefix(PREFIX),
        f"{key},{key}",
        key.replace(key[-1], "!"),
    ]
    answers = []
    for text in wrong:
        headers = {b"Authorization": f"Bearer {text}".encode()}
        response = await person.api.get(CONTACTS, headers=headers)
        assert response.status_code in {400, 401}, f"{text[:100]}: {response.text}"
        if response.status_code == 401 and text.startswith(PREFIX):
            challenge = response.headers["WWW-Authenticate"]
            assert 'error="invalid_token"' in challenge
            answers.append((challenge, {**response.json(), "request_id": None}))
    assert len(answers) > len(mixed)
    assert all(answer == answers[0] for answer in answers), "how wrong it is shows"


async def test_a_key_counts_only_in_its_header(person: Person) -> None:
    key, _ = await person.make()
    assert (await person.api.get(CONTACTS, params={"key": key, "api_key": key})).status_code == 401
    for headers in (
        {"X-API-Key": key},
        {"Cookie": f"key={key}"},
        {"Authorization": f"Basic {key}"},
    ):
        assert (await person.api.get(CONTACTS, headers=headers)).status_code == 401


async def test_keys_of_another_tenant_are_not_there(
    person: Person, somebody: Callable[..., Any]
) -> None:
    other: Person = await somebody()
    key, told = await other.make()
    assert await person.keys() == []
    assert await person.revoke(told["id"]) == 404
    assert await other.reads(key) == 200


@pytest.mark.parametrize("state", ["suspended", "deleted"])
async def test_no_key_opens_a_tenant_that_is_not_served(
    person: Person, as_admin: Connection, state: str
) -> None:
    key, _ = await person.make()
    as_admin.execute(
        "update public.tenants set state = %s where id = %s", (state, person.tenant_id)
    )
    assert await person.reads(key) == 401


async def test_a_socket_ends_with_its_key(person: Person) -> None:
    key, told = await person.make("realtime:connect")
    soon = datetime.now(UTC) + timedelta(seconds=3)
    short, _ = await person.make("realtime:connect", expires_at=soon.isoformat())
    deaf, _ = await person.make("contacts:read")
    assert (await person.api.post(TICKETS, headers=as_key(deaf))).status_code == 403

    async def ticket(text: str) -> str:
        issued = await person.api.post(TICKETS, headers=as_key(text))
        assert issued.status_code == 201, issued.text
        return str(issued.json()["ticket"])

    async with (
        connect(person.api, await ticket(key)) as revoked,
        connect(person.api, await ticket(short)) as expiring,
    ):
        for client in (revoked, expiring):
            assert (await receive(client))["type"] == "hello"
        assert await person.revoke(told["id"]) == 204
        async with asyncio.timeout(SOON):
            assert await closed(revoked) == 4403
        async with asyncio.timeout(SOON):
            assert await closed(expiring) in {4401, 4403}


async def test_an_operator_lists_and_revokes(person: Person, platform: Platform) -> None:
    key, told = await person.make(name="found on a forum")
    external_id = (
        provider.subject(person.name)
        if tenancy.MODEL == "users"
        else tenants.external_id(person.name)
    )

    def types(*words: str) -> subprocess.CompletedProcess[str]:
        return platform.app("api-keys", *words)

    listed = types("list", external_id)
    assert listed.returncode == 0, listed.stderr
    assert told["id"] in listed.stdout
    assert key not in listed.stdout
    assert types("revoke", external_id, told["id"]).returncode == 0
    assert await person.reads(key) == 401
    missing = types("revoke", external_id, str(uuid4()))
    assert missing.returncode != 0
    assert "api-keys list" in missing.stderr


async def test_the_log_names_the_key_by_its_id(
    person: Person, api_process: tuple[AppProcess, str]
) -> None:
    key, told = await person.make()
    asked = {}
    for text, status in ((key, 200), (forged(key, 63), 401)):
        request_id = uuid4().hex
        headers = {**as_key(text), "X-Request-ID": request_id}
        assert (await person.api.get(CONTACTS, headers=headers)).status_code == status
        asked[request_id] = status
    log = api_process[0].log
    assert await asyncio.to_thread(wait_until, lambda: all(i in log.read_text() for i in asked), 20)
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    found = {
        line["request_id"]: (line["status"], line["api_key_id"], line["tenant_id"])
        for line in lines
        if line.get("request_id") in asked and line["event"] == "request"
    }
    tenant = str(person.tenant_id)
    assert found == {
        request_id: (status, told["id"], tenant if status == 200 else None)
        for request_id, status in asked.items()
    }
    assert key[-43:] not in log.read_text()


async def test_the_limit_of_a_key_is_its_own(person: Person, platform: Platform) -> None:
    key, _ = await person.make()
    process, address = platform.api(RATE_LIMIT_PER_PRINCIPAL="3/minute")
    process.start()
    async with httpx.AsyncClient(base_url=address, trust_env=False) as api:
        for _ in range(4):  # by somebody who knows the id of the key
            await api.get(CONTACTS, headers=as_key(forged(key, 63)))
        answers = [(await api.get(CONTACTS, headers=as_key(key))).status_code for _ in range(4)]
        assert answers == [200, 200, 200, 429]
        assert (await api.get(CONTACTS, headers=person.headers)).status_code == 200
    process.stop()
