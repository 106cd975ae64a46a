"""Erasing a person, from outside: what is left of them anywhere, and whether they stay away."""

import asyncio
import json
import time
from uuid import uuid4

import httpx
import pytest
from psycopg import sql

from app.dev.choices import provider as issuer
from tests.choices import provider, tenants
from tests.conftest import Connection, MintToken
from tests.listening import SOON
from tests.running import Platform
from tests.test_realtime_api import TICKETS, closed, connect, receive

ME = "/api/v1/me"

TABLES = """
select format('%I.%I', n.nspname, c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by 1
"""

TRAIL = """
select count(*), md5(string_agg(e::text, '|' order by e.id, e.occurred_at))
from audit.events e where e.id <= %s
"""


class Person:
    """Somebody with a name and an address, who has signed in to a tenant of their own."""

    def __init__(self, api: httpx.AsyncClient, token: MintToken, admin: Connection) -> None:
        self.api = api
        self.name = uuid4().hex
        self.full_name = f"Countess {uuid4().hex}"
        self.email = f"{uuid4().hex}@example.com"
        self.subject = issuer.subject(self.name)
        self._admin = admin
        self._token = token

    @property
    def headers(self) -> dict[str, str]:
        minted = self._token(self.name, self.name, "owner", **issuer.address(self.email))
        return {"Authorization": f"Bearer {minted}"}

    async def me(self) -> httpx.Response:
        return await self.api.get(ME, headers=self.headers)

    async def signs_in(self) -> None:
        response = await self.me()
        assert response.status_code == 200, response.text
        changed = self._admin.execute(
            "update public.users set name = %s, email = %s where subject = %s",
            (self.full_name, self.email, self.subject),
        )
        assert changed.rowcount == 1

    def erase(self, platform: Platform, *words: str, answer: str = "") -> tuple[int, str]:
        return types(
            platform, "erase", *(words or (self.subject, "--yes", self.subject)), answer=answer
        )


def types(
    platform: Platform, *words: str, answer: str = "", group: str = "users"
) -> tuple[int, str]:
    """The exit code of an operator's command and everything that it printed."""
    done = platform.app(group, *words, answer=answer)
    printed = done.stdout + done.stderr
    assert "Traceback" not in printed, printed
    return done.returncode, printed


def where(admin: Connection, text: str) -> list[str]:
    """Every table of the database in which a row holds this text, partitions included."""
    return [
        table
        for (table,) in admin.execute(TABLES).fetchall()
        if admin.execute(
            sql.SQL("select 1 from {} r where position(%s in r::text) > 0 limit 1").format(
                sql.SQL(table)
            ),
            (text,),
        ).fetchone()
    ]


@pytest.fixture
async def person(api: httpx.AsyncClient, token: MintToken, as_admin: Connection) -> Person:
    """Somebody who has signed in."""
    somebody = Person(api, token, as_admin)
    await somebody.signs_in()
    return somebody


def let_go(platform: Platform, person: Person) -> None:
    """Remove what stands in the way of erasing somebody, if anything does."""
    for group, command in tenants.BEFORE_ERASURE:
        code, output = types(
            platform, command, person.subject, "--yes", person.subject, group=group
        )
        assert code == 0, output


async def test_nothing_is_left_but_an_id(
    platform: Platform, person: Person, as_admin: Connection
) -> None:
    assert where(as_admin, person.email) == where(as_admin, person.full_name) == ["public.users"]
    let_go(platform, person)
    code, output = person.erase(platform)
    assert code == 0, output
    assert where(as_admin, person.email) == where(as_admin, person.full_name) == []
    left = as_admin.execute(
        "select email, name, salt, email_digest, name_digest, deleted_at is not null"
        " from public.users where subject = %s",
        (person.subject,),
    ).fetchall()
    assert left == [(None, None, None, None, None, True)]


async def test_the_trail_stays_as_it_was_and_tells_of_it(
    platform: Platform, person: Person, as_admin: Connection
) -> None:
    [digests] = as_admin.execute(
        "select email_digest, name_digest from public.users where subject = %s", (person.subject,)
    ).fetchall()
    let_go(platform, person)
    [(last,)] = as_admin.execute("select id from audit.events order by id desc limit 1").fetchall()
    before = as_admin.execute(TRAIL, (last,)).fetchall()
    code, output = person.erase(platform)
    assert code == 0, output
    assert as_admin.execute(TRAIL, (last,)).fetchall() == before
    [(old, new, request_id)] = as_admin.execute(
        "select old, new, request_id from audit.events where table_name = 'users'"
        " and old ->> 'deleted_at' is null and new ->> 'deleted_at' is not null"
        " and old ->> 'subject' = %s",
        (person.subject,),
    ).fetchall()
    assert (old["email_digest"], old["name_digest"]) == digests
    assert new["email_digest"] is new["name_digest"] is None
    assert request_id.startswith("operator-")
    assert not {"email", "name", "salt"} & {*old, *new}


async def test_the_trail_confirms_an_address_while_the_person_is_here(
    person: Person, as_admin: Connection
) -> None:
    recorded = as_admin.execute(
        "select e.new ->> 'email_digest' = app.salted_digest(u.salt, u.email),"
        " e.new ->> 'email_digest' = app.salted_digest(u.salt, 'another@example.com')"
        " from public.users u join audit.events e on e.row_id = u.id"
        " where u.subject = %s order by e.id desc limit 1",
        (person.subject,),
    ).fetchall()
    assert recorded == [(True, False)]


async def test_who_is_erased_is_out_at_once_and_no_token_brings_them_back(
    platform: Platform, person: Person, as_admin: Connection
) -> None:
    made = await person.api.post(
        "/api/v1/api-keys",
        headers=person.headers,
        json={"name": "program", "scopes": ["contacts:read"]},
    )
    assert made.status_code == 201, made.text
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    assert (await person.api.get("/api/v1/contacts", headers=key)).status_code == 200
    ticket = (await person.api.post(TICKETS, headers=person.headers)).json()["ticket"]
    async with connect(person.api, ticket) as client:
        assert (await receive(client))["type"] == "hello"
        unused = (await person.api.post(TICKETS, headers=person.headers)).json()["ticket"]
        await asyncio.to_thread(let_go, platform, person)
        code, output = await asyncio.to_thread(person.erase, platform)
        assert code == 0, output
        async with asyncio.timeout(SOON):
            assert await closed(client) == 4403
    async with connect(person.api, unused) as client, asyncio.timeout(SOON):
        assert await closed(client) in {4401, 4403}
    for _ in range(2):
        assert (await person.me()).status_code == 403
        assert where(as_admin, person.email) == []
    assert (await person.api.get("/api/v1/contacts", headers=key)).status_code == 401


async def test_a_second_time_changes_nothing(
    platform: Platform, person: Person, as_admin: Connection
) -> None:
    recorded = (
        "select count(*) from audit.events e join public.users u on u.id = e.row_id"
        " where u.subject = %s"
    )
    let_go(platform, person)
    assert person.erase(platform)[0] == 0
    before = as_admin.execute(recorded, (person.subject,)).fetchall()
    assert person.erase(platform)[0] == 0
    assert as_admin.execute(recorded, (person.subject,)).fetchall() == before


async def test_what_could_not_be_applied_or_delivered_is_forgotten_too(
    platform: Platform, person: Person, as_admin: Connection
) -> None:
    other = f"{uuid4().hex}@example.com"
    bodies = {
        "about": provider.event("user.updated", time.time(), subject=person.subject),
        "address": {"data": {"email": person.email.upper()}},
        "other": {"data": {"email": other}},
    }
    prefix = uuid4().hex
    for name, body in bodies.items():
        as_admin.execute(
            "insert into app.webhook_messages (id, body, reason) values (%s, %s, 'test')",
            (f"{prefix}-{name}", json.dumps(body)),
        )
    [(job,)] = as_admin.execute(
        "insert into app.outbox (tenant_id, task, payload, failed_at, error)"
        " select id, 'send_invitation', '{}', now(), %s from public.tenants limit 1 returning id",
        (f"550 {person.email} is unknown",),
    ).fetchall()
    # In `users` the deletion of the account erases its person.
    let_go(platform, person)
    assert person.erase(platform)[0] == 0
    left = as_admin.execute(
        "select id from app.webhook_messages where id like %s and body is not null", (f"{prefix}%",)
    ).fetchall()
    assert left == [(f"{prefix}-other",)]
    assert as_admin.execute("select error from app.outbox where id = %s", (job,)).fetchall() == [
        ("(erased)",)
    ]
    as_admin.execute("delete from app.outbox where id = %s", (job,))


async def test_the_name_may_be_typed(platform: Platform, person: Person) -> None:
    let_go(platform, person)
    code, output = person.erase(platform, person.subject, answer=f"{person.subject}\n")
    assert code == 0, output


def test_nobody_is_nobody(platform: Platform) -> None:
    code, output = types(platform, "erase", "nobody", "--yes", "nobody")
    assert code == 1
    assert "Nobody is called 'nobody'" in output
