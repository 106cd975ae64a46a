"""A product boots as a user boots it, and does over HTTP and WebSocket what it promises."""

import contextlib
import http.client
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from socket import MSG_PEEK
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from driving import (
    API,
    Client,
    Host,
    Product,
    claims_of,
    open_socket,
    problem,
    progress_of,
    receive,
    until,
)
from forging import FORGERIES, FORGERIES_OF, Forger
from people import People
from pooling import OLDEST_POSTGRES, can_pool, program
from rendering import Answers, covering, matrix, name_of

pytest_plugins = ["products"]

pytestmark = pytest.mark.parametrize(
    "combination", matrix(), ids=name_of, indirect=True, scope="session"
)

# What takes long, and does not depend on how the answers meet.
thorough = pytest.mark.among(covering())

MANY = People(rows=100_000, bad=1_000)
FEWER = People(rows=25_000, bad=250)
"""Enough for several chunks, in each of the many combinations."""

LOGINS = ("app_api", "app_worker", "migrator")


@pytest.fixture(scope="module", autouse=True)
def on_its_host(product: Product) -> Iterator[Host | None]:
    """Each product runs where its host would have it, behind a pooler in transaction mode.

    On the embedded Postgres, without a pooler, it is used in the tests of kills, and here where
    there is none.
    """
    if not can_pool():
        yield None
        return
    is_old = is_on_the_oldest(product.answers) and (OLDEST_POSTGRES / "initdb").exists()
    with product.hosted(OLDEST_POSTGRES if is_old else None) as host:
        yield host


def is_on_the_oldest(answers: Answers) -> bool:
    """Half of them are; the suites of the few that stand for each answer run on the other."""
    if answers in covering():
        return covering().index(answers) % 2 == 0
    # By pairs, which differ in the front end alone.
    return matrix().index(answers) // 2 % 2 == 0


@pytest.fixture
def host(on_its_host: Host | None) -> Host:
    program()
    assert on_its_host is not None
    return on_its_host


@pytest.fixture
def running(product: Product) -> Product:
    return product.running()


@pytest.fixture
def organizations(running: Product) -> None:
    """For tests about people who share what they have."""
    if not running.has_organizations:
        pytest.skip("every person is a tenant of their own")


@pytest.fixture
def client(running: Product) -> Client:
    """Someone who may do everything with their tenant, in which nothing has happened."""
    return running.sign_in()


@dataclass(frozen=True)
class Imported:
    """What a large import looked like from outside, while it ran and afterwards."""

    client: Client
    people: People
    request_id: str
    accepted: httpx.Response
    right_after: dict[str, Any]
    events: list[dict[str, Any]]
    heard_elsewhere: list[dict[str, Any]]
    ended: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.accepted.json()["id"])


@pytest.fixture(scope="module")
def imported(
    product: Product, combination: Answers, tmp_path_factory: pytest.TempPathFactory
) -> Imported:
    product.running()
    client, stranger = product.sign_in(), product.sign_in("u9")
    people = MANY if combination in covering() else FEWER
    file = people.write(tmp_path_factory.mktemp("people") / "people.csv")
    with client.listening() as socket, stranger.listening() as elsewhere:
        accepted = client.upload(file, request_id="upload-of-100000")
        assert accepted.status_code == 202, accepted.text
        import_id = accepted.json()["id"]
        right_after = client.get(f"/imports/{import_id}")
        events = list(progress_of(socket, import_id))
        stranger.start_import(b"name,email,company,amount\nAda,ada@example.com,,1\n")
        heard_elsewhere: list[dict[str, Any]] = []
        while not heard_elsewhere or heard_elsewhere[-1]["data"].get("status") != "succeeded":
            heard_elsewhere.append(receive(elsewhere))
    return Imported(
        client=client,
        people=people,
        request_id="upload-of-100000",
        accepted=accepted,
        right_after=right_after,
        events=events,
        heard_elsewhere=heard_elsewhere,
        ended=client.import_ended(import_id),
    )


# --- Start ---


def test_it_is_alive_and_ready(running: Product) -> None:
    http = running.anonymous()
    assert http.get("/healthz").json() == {"status": "alive"}
    ready = http.get("/readyz").json()
    assert ready["status"] == "ready"
    assert {"database", "queue", "storage"} <= ready["checks"].keys()
    assert set(ready["checks"].values()) == {"ok"}
    assert "http_request" in http.get("/metrics").text


def test_a_token_says_who_i_am(running: Product) -> None:
    token = running.make("-s", "token", "user=u1")
    assert token.count("\n") == 1
    assert token.count(".") == 2
    client = Client(running, "acme", token.strip())
    me = client.get("/me")
    assert me["user"]["subject"] == claims_of(client.token)[1]["sub"]
    again = running.make("-s", "token", "user=u1").strip()
    assert Client(running, "acme", again).get("/me")["user"] == me["user"]
    assert {"contacts:write", "audit:read"} <= set(me["permissions"])
    if running.has_organizations:
        assert (me["organization"]["slug"], me["role"]) == ("acme", "admin")
    else:
        assert (me["organization"], me["role"]) == (None, "owner")


@pytest.mark.usefixtures("organizations")
def test_a_token_says_where_i_am(running: Product) -> None:
    token = running.make("-s", "token", "user=u2", "org=umbrella", "role=viewer")
    me = Client(running, "umbrella", token.strip()).get("/me")
    assert (me["organization"]["slug"], me["role"]) == ("umbrella", "viewer")
    assert "contacts:write" not in me["permissions"]
    token = running.make("-s", "token", "user=u2", "org=")
    assert Client(running, "", token.strip()).get("/me")["organization"] is None


def test_without_a_token_nobody_is_let_in(running: Product) -> None:
    http = running.anonymous()
    for path in ("/me", "/contacts", "/imports", "/audit-events"):
        answer = http.get(API + path)
        problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


@thorough
def test_a_second_make_dev_says_that_one_runs(running: Product) -> None:
    second = running.try_make("dev")
    assert second.returncode != 0
    assert running.url in second.stderr
    assert running.anonymous().get("/readyz").status_code == 200


# --- Contacts ---


def test_a_contact_is_added_read_changed_and_deleted(client: Client) -> None:
    added = client.add_contact(
        name="Ada", email="Ada@Example.com", company="Engines", amount="10.50"
    )
    assert added.keys() == {"id", "name", "email", "company", "amount", "created_at"}
    assert added["email"] == "ada@example.com"
    assert added["amount"] == "10.50"
    path = f"/contacts/{added['id']}"
    assert client.get(path) == added

    changed = client.http.patch(API + path, json={"amount": "0.10"})
    assert changed.json() == added | {"amount": "0.10"}
    assert client.get(path) == changed.json()

    assert client.http.delete(API + path).status_code == 204
    problem(client.http.get(API + path), 404)
    problem(client.http.delete(API + path), 404)


def test_an_email_belongs_to_one_contact(client: Client) -> None:
    client.add_contact(email="ada@example.com")
    again = {"name": "Ada", "email": "ADA@example.com"}
    problem(client.http.post(f"{API}/contacts", json=again), 409)
    assert len(client.everything("/contacts")) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "", "email": "a@example.com"},
        {"name": "Ada", "email": "nowhere"},
        {"name": "Ada", "email": "a@example.com", "amount": "1.234"},
        {"name": "Ada", "email": "a@example.com", "amount": "NaN"},
        {"name": "Ada\0", "email": "a@example.com"},
        {"name": "Ada", "email": "a@example.com", "org_id": "01a206b7-45eb-78fe-b912-9d434909cd43"},
        {
            "name": "Ada",
            "email": "a@example.com",
            "user_id": "01a206b7-45eb-78fe-b912-9d434909cd43",
        },
    ],
    ids=[
        "no name",
        "no address",
        "three decimals",
        "no number",
        "NUL",
        "org chosen",
        "user chosen",
    ],
)
def test_a_bad_contact_is_refused(client: Client, fields: dict[str, str]) -> None:
    answer = client.http.post(f"{API}/contacts", json=fields)
    problem(answer, 422)
    assert answer.json()["errors"]
    assert client.everything("/contacts") == []


def test_pages_follow_each_other(client: Client) -> None:
    added = [client.add_contact(name=f"Person {number}")["id"] for number in range(25)]
    first = client.get("/contacts", limit=10)
    assert len(first["items"]) == 10
    # Newer contacts do not shift the pages that follow.
    client.add_contact(name="Late")
    rest = client.everything("/contacts", limit=10, cursor=first["next_cursor"])
    assert [contact["id"] for contact in first["items"] + rest] == added[::-1]


def test_a_search_finds_how_names_and_addresses_begin(client: Client) -> None:
    for name, email in (
        ("Ada Lovelace", "countess@example.com"),
        ("Grace Hopper", "adamant@example.com"),
        ("Zoë", "zoe@example.com"),
        ("100% _sure", "sure@example.com"),
    ):
        client.add_contact(name=name, email=email)

    def found(q: str) -> set[str]:
        return {contact["name"] for contact in client.everything("/contacts", q=q)}

    assert found("ADA") == {"Ada Lovelace", "Grace Hopper"}
    assert found("zoë") == {"Zoë"}
    assert found("%") == set()
    assert found("100% _") == {"100% _sure"}
    assert found("lovelace") == set()


# --- Imports ---


def test_an_upload_is_accepted_before_the_work_is_done(imported: Imported) -> None:
    assert imported.accepted.json() == {"id": imported.id, "status": "queued"}
    assert imported.accepted.headers["x-request-id"] == imported.request_id
    assert imported.right_after["status"] in {"queued", "running"}
    assert imported.right_after["rows_done"] < imported.people.rows


def test_progress_arrives_while_it_runs(imported: Imported) -> None:
    facts = [event["data"] for event in imported.events]
    done = [fact["rows_done"] for fact in facts]
    assert done == sorted(done)
    between = {count for count in done if 0 < count < imported.people.rows}
    assert len(between) > 2
    assert {fact["rows_total"] for fact in facts if fact["rows_done"]} == {imported.people.rows}
    assert facts[-1] == {
        "import_id": imported.id,
        "status": "succeeded",
        "rows_total": imported.people.rows,
        "rows_done": imported.people.rows,
        "rows_rejected": imported.people.bad,
        "error": None,
    }
    ids = [event["id"] for event in imported.events]
    assert len(set(ids)) == len(ids)


def test_every_good_row_is_a_contact(imported: Imported) -> None:
    client = imported.client
    assert imported.ended["status"] == "succeeded"
    assert imported.ended["rows_done"] == imported.ended["rows_total"] == imported.people.rows
    contacts = client.sql(
        "select name, email, company, amount::text from contacts"  # noqa: S608  # one of two words
        f" where {client.product.tenant_column} = %s",
        client.tenant_id,
    )
    assert len(contacts) == imported.people.good
    assert set(contacts) == set(imported.people.contacts())


def test_every_bad_row_can_be_downloaded(imported: Imported) -> None:
    assert imported.ended["rows_rejected"] == imported.people.bad
    assert imported.client.rejected_rows(imported.id) == imported.people.rejected_csv


def test_every_row_is_on_the_audit_trail(imported: Imported) -> None:
    client = imported.client
    user_id = client.get("/me")["user"]["id"]
    recorded = client.sql(
        "select count(*), count(distinct row_id), array_agg(distinct actor_id::text), "
        "array_agg(distinct actor), array_agg(distinct request_id), "
        "bool_and(old is null and new ->> 'email' is not null) "
        "from audit.events where tenant_id = %s and table_name = 'contacts' and action = 'insert'",
        client.tenant_id,
    )
    # The worker acts for the person who uploaded, under the upload's request id.
    ((count, rows, actor_ids, _, request_ids, complete),) = recorded
    assert (count, rows) == (imported.people.good, imported.people.good)
    assert actor_ids == [user_id]
    assert request_ids == [imported.request_id]
    assert complete


def test_nothing_is_left_to_do(imported: Imported) -> None:
    client = imported.client
    until(
        lambda: client.sql("select count(*) from app.outbox") == [(0,)],
        "an empty outbox",
    )


def test_a_socket_resumes_where_it_was(imported: Imported) -> None:
    events = imported.events
    middle = len(events) // 2
    with imported.client.listening(after=events[middle]["id"]) as socket:
        assert list(progress_of(socket, imported.id)) == events[middle + 1 :]


def test_a_resume_from_what_never_was_is_said_to_be_one(imported: Imported) -> None:
    product, client = imported.client.product, imported.client
    with open_socket(product, client.ticket(), after="no-event") as socket:
        assert code_of_close(socket) == 4400


# --- WebSocket ---


def test_a_ticket_opens_one_socket(client: Client) -> None:
    ticket = client.ticket()
    with open_socket(client.product, ticket) as socket:
        assert receive(socket)["type"] == "hello"
        assert closing_code(client.product, ticket) == 4401
    assert closing_code(client.product, "invented") == 4401
    assert closing_code(client.product, "") == 4401


def test_a_browser_sends_its_ticket_as_a_subprotocol(client: Client) -> None:
    url = f"{client.product.url}{API}/realtime".replace("http", "ws", 1)
    offered = [Subprotocol("realtime.v1"), Subprotocol(f"ticket.{client.ticket()}")]
    with connect(url, subprotocols=offered, proxy=None) as socket:
        assert socket.subprotocol == "realtime.v1"
        assert receive(socket)["type"] == "hello"


def test_a_page_of_another_site_is_refused(client: Client) -> None:
    url = f"{client.product.url}{API}/realtime?ticket={client.ticket()}".replace("http", "ws", 1)
    with connect(url, origin=Origin("https://evil.example"), proxy=None) as socket:
        assert code_of_close(socket) == 4403


def closing_code(product: Product, ticket: str) -> int:
    """The code with which a connection with this ticket is closed."""
    with open_socket(product, ticket) as socket:
        return code_of_close(socket)


def code_of_close(socket: ClientConnection) -> int:
    """Read a WebSocket to its end."""
    try:
        while True:
            socket.recv(timeout=30.0)
    except ConnectionClosed as closed:
        # What a browser says when a connection just breaks.
        return closed.rcvd.code if closed.rcvd else 1006


# --- Audit ---


def test_a_change_is_recorded_with_who_where_and_what(client: Client) -> None:
    added = client.add_contact(name="Ada", amount="1.00")
    request_id = "change-of-a-contact"
    client.http.patch(
        f"{API}/contacts/{added['id']}",
        json={"amount": "2.00"},
        headers={"X-Request-ID": request_id},
    )
    client.http.delete(f"{API}/contacts/{added['id']}")

    deleted, updated, inserted = client.everything("/audit-events", table="contacts")
    assert [event["action"] for event in (inserted, updated, deleted)] == [
        "insert",
        "update",
        "delete",
    ]
    me = client.get("/me")
    for event in (inserted, updated, deleted):
        assert event["row_id"] == added["id"]
        assert event["tenant_id"] == client.tenant_id
        assert event["actor_id"] == me["user"]["id"]
        assert event["actor"] == me["user"]["subject"]
        assert event["request_id"]
    assert updated["request_id"] == request_id
    assert float(updated["old"]["amount"]) == 1
    assert float(updated["new"]["amount"]) == 2
    assert (inserted["old"], deleted["new"]) == (None, None)
    assert deleted["old"]["email"] == added["email"]

    assert client.everything("/audit-events", action="update", table="contacts") == [updated]
    assert client.everything("/audit-events", actor=me["user"]["subject"], limit=1)
    assert client.everything("/audit-events", actor="nobody") == []


@pytest.mark.usefixtures("organizations")
def test_a_member_does_not_read_the_trail(client: Client) -> None:
    member = client.product.sign_in("u5", client.tenant, "member")
    problem(member.http.get(f"{API}/audit-events"), 403)


@pytest.mark.parametrize("login", LOGINS)
def test_no_login_can_change_the_trail(running: Product, login: str) -> None:
    running.sign_in().add_contact()
    before = running.sql("select count(*) from audit.events")
    tables = running.sql(
        "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = 'audit' and c.relkind in ('r', 'p')"
    )
    assert len(tables) > 2
    for (table,) in tables:
        for statement in (
            f"update {table} set action = 'nothing'",  # noqa: S608  # a name from the catalog
            f"delete from {table}",  # noqa: S608
            f"truncate {table}",
            f"alter table {table} disable trigger all",
            f"drop table {table}",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                running.sql(statement, login=login)
    assert running.sql("select count(*) from audit.events") == before


# --- Isolation ---


def test_another_tenant_sees_nothing(imported: Imported) -> None:
    owner = imported.client
    contact = owner.get("/contacts", limit=1)["items"][0]
    page = owner.get("/contacts", limit=1)
    stranger = owner.product.sign_in("u2")

    for path in ("/contacts", "/imports"):
        assert stranger.everything(path) == []
    assert stranger.everything("/contacts", q=contact["email"]) == []
    assert stranger.get("/contacts", cursor=page["next_cursor"])["items"] == []
    assert {event["tenant_id"] for event in stranger.everything("/audit-events")} <= {
        stranger.tenant_id
    }
    for method, path in (
        ("GET", f"/contacts/{contact['id']}"),
        ("PATCH", f"/contacts/{contact['id']}"),
        ("DELETE", f"/contacts/{contact['id']}"),
        ("GET", f"/imports/{imported.id}"),
        ("GET", f"/imports/{imported.id}/rejected.csv"),
    ):
        body = {"name": "Mallory"} if method == "PATCH" else None
        answer = stranger.http.request(method, API + path, json=body)
        # Word for word what an id that never existed gets.
        other = path.replace(contact["id"], str(uuid4())).replace(imported.id, str(uuid4()))
        nowhere = stranger.http.request(method, API + other, json=body)
        assert problem(answer, 404) == problem(nowhere, 404)
    assert owner.get(f"/contacts/{contact['id']}") == contact


def test_no_header_chooses_another_tenant(client: Client) -> None:
    stranger = client.product.sign_in("u2")
    client.add_contact()
    tenant, subject = client.tenant_id, client.get("/me")["user"]["subject"]
    for headers in (
        {"X-Organization-Id": tenant},
        {"X-Org-Id": tenant, "X-Tenant": client.tenant, "X-Tenant-Id": tenant},
        {"X-Forwarded-User": subject, "X-User-Id": subject},
        {"Request.Jwt.Claims": "{}", "Prefer": f"tenant={tenant}"},
        {"Cookie": f"org_id={tenant}; user_id={tenant}; __session={client.token}"},
    ):
        answer = stranger.http.get(f"{API}/contacts", headers=headers)
        assert answer.json()["items"] == []


def test_the_same_address_may_be_known_to_two_tenants(client: Client) -> None:
    client.add_contact(email="ada@example.com")
    client.product.sign_in("u2").add_contact(email="ada@example.com")


def test_events_of_another_tenant_are_not_heard(imported: Imported) -> None:
    assert imported.heard_elsewhere
    assert imported.id not in {event["data"].get("import_id") for event in imported.heard_elsewhere}


@pytest.mark.parametrize("login", ["app_api", "app_worker"])
def test_the_logins_of_the_application_see_no_row_without_a_claim(
    imported: Imported, login: str
) -> None:
    product, tenant, home = imported.client.product, imported.client.tenant_id, imported.client.home
    tables = imported.client.sql(
        "select format('%%I.%%I', n.nspname, c.relname)"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname in ('public', %s) and c.relkind in ('r', 'p')",
        home,
    )
    names = {name for (name,) in tables}
    assert {f"{home}.contacts", f"{home}.imports", "public.users"} <= names
    refused = set[str]()
    # A setting that looks like a proof is none.
    forged = f"set app.tenant_id = '{tenant}'; set app.user_id = '{tenant}'"
    with psycopg.connect(product.database_url(login, tenant), autocommit=True) as connection:
        connection.execute(forged.encode())
        for table in names:
            query = f"select count(*) from {table}"  # noqa: S608  # a name from the catalog
            try:
                assert connection.execute(query.encode()).fetchone() == (0,), table
            except psycopg.errors.InsufficientPrivilege:
                refused.add(table)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"insert into {home}.contacts default values".encode())
    # Where a tenant has tables of its own, there is nothing to look at without its role.
    own = set() if home == "public" else {name for name in names if name.startswith(home)}
    assert refused >= own | {"public.tenants"}


@pytest.mark.parametrize("claimed", ["my own", "the other"])
def test_a_claim_reaches_only_the_tenant_that_it_proves(imported: Imported, claimed: str) -> None:
    product, owner = imported.client.product, imported.client
    stranger = product.sign_in("u2")
    mine, theirs = stranger.get("/me"), owner.get("/me")
    chosen = mine if claimed == "my own" else theirs
    # Where there are no organizations, one that is claimed is none.
    organization = chosen["organization"] or {"external_id": chosen["user"]["id"]}
    claims = {
        "sub": mine["user"]["subject"],
        "org_id": organization["external_id"],
        "org_role": "owner",
    }
    column = product.tenant_column
    at_home = product.database_url("app_api", owner.tenant_id)
    with psycopg.connect(at_home) as connection:
        connection.execute(f"select {product.enter}(%s, 'by hand')".encode(), (json.dumps(claims),))
        for statement in (
            f"select 1 from {owner.home}.contacts where {column} = %s",  # noqa: S608  # known words
            f"select 1 from {owner.home}.imports where {column} = %s",  # noqa: S608
            "select 1 from audit.events where tenant_id = %s",
            f"update {owner.home}.contacts set name = 'Mallory' where {column} = %s returning 1",  # noqa: S608
            f"delete from {owner.home}.contacts where {column} = %s returning 1",  # noqa: S608
        ):
            with (
                contextlib.suppress(psycopg.errors.InsufficientPrivilege),
                connection.transaction(),
            ):
                found = connection.execute(statement.encode(), (owner.tenant_id,))
                assert found.fetchall() == [], statement
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(
                f"insert into {owner.home}.contacts ({column}, name, email)"  # noqa: S608
                " values (%s, 'M', 'm@example.com')".encode(),
                (owner.tenant_id,),
            )


def test_a_tenant_that_is_suspended_is_out_at_once(running: Product) -> None:
    client = running.sign_in()
    contact = client.add_contact()
    tenant, ticket = client.tenant_id, client.ticket()
    with client.listening() as socket:
        client.sql("update public.tenants set state = 'suspended' where id = %s", tenant)

        problem(client.http.get(f"{API}/me"), 403)
        problem(client.http.get(f"{API}/contacts"), 403)
        problem(client.upload(b"name,email,company,amount\nA,a@example.com,,1\n"), 403)
        problem(client.http.post(f"{API}/realtime/tickets"), 403)
        assert closing_code(running, ticket) == 4403
        assert code_of_close(socket) == 4403

    client.sql("update public.tenants set state = 'active' where id = %s", tenant)
    assert client.everything("/contacts") == [contact]


@thorough
@pytest.mark.usefixtures("organizations")
def test_a_member_is_out_at_once(running: Product) -> None:
    admin = running.sign_in()
    member = running.sign_in("u2", admin.tenant, "member")
    member.add_contact()
    subject = member.get("/me")["user"]["subject"]
    ticket = member.ticket()
    with member.listening() as socket:
        assert running.app("members", "remove", admin.tenant, subject)

        problem(member.http.get(f"{API}/contacts"), 403)
        problem(member.upload(b"name,email,company,amount\nA,a@example.com,,1\n"), 403)
        problem(member.http.post(f"{API}/realtime/tickets"), 403)
        assert closing_code(running, ticket) == 4403
        assert code_of_close(socket) == 4403

    assert running.app("members", "restore", admin.tenant, subject)
    assert len(member.everything("/contacts")) == 1
    changes = admin.everything("/audit-events", table="memberships", action="update")
    assert [change["new"]["status"] for change in changes] == ["active", "removed"]


# --- Tokens ---


def test_forged_tokens_are_refused(running: Product) -> None:
    client = running.sign_in()
    forger = Forger(running, client.token)
    # What the forgeries have in common with a genuine token is not what they are refused for.
    assert Client(running, client.tenant, forger.signed()).get("/me")["user"]

    provider = running.answers["auth_provider"]
    accepted = {
        name: answer.text
        for name, forge in (FORGERIES | FORGERIES_OF[provider]).items()
        if (
            answer := client.http.get(
                f"{API}/contacts", headers={"Authorization": f"Bearer {forge(forger)}"}
            )
        ).status_code
        != 401
    }
    assert not accepted


# --- Connections ---


@thorough
def test_an_idle_connection_outlives_the_patience_of_a_proxy(running: Product) -> None:
    """A server that hangs up first does so, now and then, while a proxy's request is coming."""
    address = httpx.URL(running.url)
    connection = http.client.HTTPConnection(address.host, address.port, timeout=60)
    with contextlib.closing(connection):
        for idle in (6.0, 0.0):  # uvicorn's own limit is 5 s
            connection.request("GET", "/healthz")
            assert connection.getresponse().read()
            assert connection.sock, "the server hung up"
            connection.sock.settimeout(idle)
            with contextlib.suppress(TimeoutError, BlockingIOError):
                assert connection.sock.recv(1, MSG_PEEK), "the server hung up"
            connection.sock.settimeout(60)


# --- Security ---


def test_every_answer_has_the_security_headers(client: Client) -> None:
    answers = [
        client.http.get(f"{API}/me"),
        client.http.get(f"{API}/nowhere"),
        client.http.get("/healthz"),
        client.http.put(f"{API}/contacts"),
        client.http.get(f"{API}/me", headers={"Authorization": ""}),
        client.http.get(f"{API}/me", headers={"Host": "evil.example"}),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 200, 405, 401, 400]
    for answer in answers:
        headers = answer.headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "max-age=" in headers["strict-transport-security"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "camera=()" in headers["permissions-policy"]
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-request-id"]
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


def test_the_documentation_needs_no_other_site(running: Product) -> None:
    http = running.anonymous()
    page = http.get("/docs")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy
    assert "https:" not in page.text
    paths = http.get("/openapi.json").json()["paths"]
    assert {f"{API}/contacts", f"{API}/imports", f"{API}/me"} <= paths.keys()


# --- The front end ---


def test_the_front_end_is_served(running: Product) -> None:
    """As production serves it; what people do with it is done in a browser elsewhere."""
    if not running.has_front_end:
        pytest.skip("its front end lives elsewhere")
    with httpx.Client(base_url=running.web_url, trust_env=False, timeout=60.0) as http:
        landing = http.get("/")
        assert landing.status_code == 200
        assert "sha256-" in landing.headers["content-security-policy"]
        application = http.get("/app", follow_redirects=True)
        assert application.status_code == 200
        assert application.url.path == "/sign-in"
        assert "'nonce-" in application.headers["content-security-policy"]


# --- The host ---


def test_whatever_is_asked_goes_through_the_pooler(client: Client, host: Host) -> None:
    """But for what must listen, which a pooler in transaction mode would forget."""

    def transactions() -> int:
        return sum(row["total_xact_count"] for row in host.show("stats"))

    before = transactions()
    client.everything("/contacts")
    assert transactions() > before
    by_the_pooler = {row["local_port"] for row in host.show("servers")}
    sessions = client.product.sql(
        "select client_port, application_name from pg_stat_activity"
        " where usename in ('app_api', 'app_worker')"
    )
    past_it = {name for port, name in sessions if port not in by_the_pooler}
    assert len(past_it) < len(sessions)
    assert past_it <= {"realtime", "queue"}


def test_the_pooler_refuses_what_it_would_have_to_forget(host: Host) -> None:
    """Otherwise all of this would prove little. Nobody else logs in there as this role."""
    way = host.pooler["migrator"]
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
        psycopg.connect(way, options="-c statement_timeout=1000")
    with (
        psycopg.connect(way, autocommit=True) as one,
        psycopg.connect(way, autocommit=True) as other,
    ):
        locks = [c.execute("select pg_try_advisory_lock(1)").fetchone() for c in (one, other)]
        one.execute("select pg_advisory_unlock_all()")
        assert locks == [(True,), (True,)], "a lock belongs to a session, and they share one"
        one.execute("select 1", prepare=True)
        with pytest.raises(psycopg.errors.DuplicatePreparedStatement):
            other.execute("select 1", prepare=True)


# --- Operation ---


@thorough
def test_the_queue_can_be_looked_into(running: Product) -> None:
    """Where it has a dashboard: on this machine, by this machine's name."""
    said = running.said()
    found = re.search(r"^  jobs +(http://127\.0\.0\.1:\d+)$", said, re.MULTILINE)
    if found is None:
        pytest.skip("this queue has no dashboard, or what it needs is not on this machine")

    def is_shown() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(found[1], trust_env=False, follow_redirects=True).is_success
        return False

    until(is_shown, f"a dashboard at {found[1]}", 90.0)


def test_the_doctor_finds_nothing(running: Product) -> None:
    running.make("doctor")


@thorough
def test_migrating_again_changes_nothing(running: Product) -> None:
    client = running.sign_in()
    contact = client.add_contact()
    first = running.make("migrate")
    assert running.make("migrate") == first
    assert client.everything("/contacts") == [contact]


@thorough
def test_ctrl_c_leaves_no_process_and_a_second_start_keeps_the_data(product: Product) -> None:
    client = product.running().sign_in()
    contact = client.add_contact()
    parts = product.runtime()["pids"]
    assert {"api", "worker"} <= parts.keys()
    assert set(parts.values()) <= {found.pid for found in product.processes()}

    ended = product.stop()
    assert product.processes() == []
    assert "Traceback" not in ended.said
    assert not re.findall(r"^.*\[(?:error|critical)\b.*$", ended.said, re.MULTILINE)
    with pytest.raises(httpx.ConnectError):
        client.http.get("/healthz")

    product.start()
    assert client.everything("/contacts") == [contact]


@thorough
def test_ctrl_c_during_an_import_loses_nothing(product: Product, tmp_path: Path) -> None:
    people = People(rows=30_000, bad=30)
    client = product.running(IMPORT_CHUNK_ROWS="500").sign_in()
    import_id = client.start_import(people.write(tmp_path / "people.csv"))
    until(lambda: client.get(f"/imports/{import_id}")["rows_done"], "the first chunk", every=0.05)
    product.stop()
    assert product.processes() == []

    product.start()
    ended = client.import_ended(import_id)
    assert (ended["status"], ended["rows_done"]) == ("succeeded", people.rows)
    assert client.rejected_rows(import_id) == people.rejected_csv


@thorough
def test_many_requests_at_once_are_all_answered(client: Client) -> None:
    """More than there are database connections."""
    statuses: list[int] = []

    def ask() -> Iterator[int]:
        for _ in range(10):
            yield client.http.get(f"{API}/contacts").status_code

    threads = [threading.Thread(target=lambda: statuses.extend(ask())) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 400
