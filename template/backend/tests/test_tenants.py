"""What an operator does about tenants: `app tenants`, as a process, while the product runs."""

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import Callable

import httpx
import pytest

from app.choices import tenancy
from app.dev.servers import BACKEND
from tests.choices import tenants
from tests.conftest import Connection, MintToken
from tests.running import AppProcess, Platform
from tests.test_contacts import add
from tests.test_imports import SECONDS, Office, csv_of, people

Operate = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def operate(platform: Platform) -> Operate:
    """Run `app tenants …` and return how it ended."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app.cli", "tenants", *arguments],
            env=platform.environment(platform.connections.for_operator()) | {"COLUMNS": "250"},
            cwd=BACKEND,
            check=False,
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def office(api: httpx.AsyncClient, token: MintToken) -> Office:
    return Office(api, token)


async def listed(office: Office) -> httpx.Response:
    return await office.api.get("/api/v1/contacts", headers=office.headers)


async def test_who_is_suspended_is_refused_and_nobody_else(
    office: Office, api: httpx.AsyncClient, token: MintToken, operate: Operate
) -> None:
    other = Office(api, token)
    for each in (office, other):
        assert (await add(api, each.headers)).status_code == 201

    external = tenants.external_id(office.name)
    suspended = operate("suspend", external, "--reason", "has not paid")
    assert suspended.returncode == 0, suspended.stderr
    assert "is suspended." in suspended.stdout
    for refused in (await listed(office), await add(api, office.headers)):
        assert refused.status_code == 403
        assert refused.json()["type"] == "urn:problem:tenant-suspended"
    assert len((await listed(other)).json()["items"]) == 1
    assert (await add(api, other.headers)).status_code == 201

    shown = json.loads(operate("show", external).stdout)
    assert (shown["state"], shown["reason"]) == ("suspended", "has not paid")
    assert "has not paid" in operate("list", "--state", "suspended").stdout
    again = operate("suspend", external)
    assert (again.returncode, again.stdout.strip()[-21:]) == (0, "is suspended already.")

    assert operate("resume", external).returncode == 0
    assert len((await listed(office)).json()["items"]) == 1
    assert shown["id"] not in operate("list", "--state", "suspended").stdout


async def test_a_change_of_state_is_on_the_trail(
    office: Office, operate: Operate, as_admin: Connection
) -> None:
    await listed(office)
    external = tenants.external_id(office.name)
    operate("suspend", external, "--reason", "a test")
    operate("resume", external)
    found = as_admin.execute(
        "select old ->> 'state', new ->> 'state', new ->> 'reason', actor, login <> 'app_api'"
        f" from audit.events where tenant_id = {tenants.NAMED} and table_name = 'tenants'"
        " and action = 'update' order by id",
        [office.name],
    ).fetchall()
    assert found == [
        ("active", "suspended", "a test", None, True),
        ("suspended", "active", None, None, True),
    ]


async def test_jobs_of_a_suspended_tenant_wait_until_it_is_served(
    office: Office, session_worker: AppProcess, operate: Operate, as_admin: Connection
) -> None:
    external = tenants.external_id(office.name)
    session_worker.stop()
    import_id = (await office.upload(csv_of(people(10)))).json()["id"]
    operate("suspend", external)
    session_worker.start()
    parked = "select parked and attempts = 0 from app.outbox where payload ->> 'import_id' = %s"
    async with asyncio.timeout(SECONDS):
        while as_admin.execute(parked, [import_id]).fetchone() != (True,):
            await asyncio.sleep(0.05)

    operate("resume", external)
    state = await office.finished(import_id)
    assert (state["status"], state["rows_done"]) == ("succeeded", 10)


async def test_a_tenant_may_be_there_before_anyone_signs_in(
    api: httpx.AsyncClient, token: MintToken, operate: Operate
) -> None:
    name = uuid.uuid4().hex
    external_id = tenants.external_id(name)
    made = operate("create", external_id, "--name", f"{name}@example.org")
    assert made.returncode == 0, made.stderr
    headers = {"Authorization": f"Bearer {token(user=name, org=name)}"}
    me = (await api.get("/api/v1/me", headers=headers)).json()
    assert made.stdout.strip() == str(tenants.id_of(me))

    twice = operate("create", external_id)
    assert twice.returncode == 1
    assert "already" in twice.stderr
    assert operate("show", f"{name}@example.org").returncode == 0
    refused = operate("create", "")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("command", ["show", "suspend", "resume"])
def test_a_name_that_nobody_has_is_refused(operate: Operate, command: str) -> None:
    refused = operate(command, "nobody's")
    assert refused.returncode == 1
    assert f"no {tenancy.TENANT}'s id or name" in refused.stderr


async def test_who_is_deleted_is_not_brought_back(
    office: Office, operate: Operate, as_admin: Connection
) -> None:
    await listed(office)
    as_admin.execute(
        f"update public.tenants set state = 'deleted' where id = {tenants.NAMED}", [office.name]
    )
    refused = operate("resume", tenants.external_id(office.name))
    assert refused.returncode == 1
    assert "is deleted" in refused.stderr
    answer = await listed(office)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:problem:tenant-deleted")


def test_a_name_that_several_have_must_be_told_apart(
    operate: Operate, as_admin: Connection
) -> None:
    shared = uuid.uuid4().hex
    ids = {operate("create", f"{shared}-{n}", "--name", shared).stdout.strip() for n in range(2)}
    refused = operate("suspend", shared)
    assert refused.returncode == 1
    assert all(tenant_id in refused.stderr for tenant_id in ids)
    states = as_admin.execute(
        "select distinct state from public.tenants where id = any(%s::uuid[])", [list(ids)]
    ).fetchall()
    assert states == [("active",)]
