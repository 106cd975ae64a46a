"""Jobs that a program in Node puts into the queue, with BullMQ's own client."""

import asyncio
import json
import subprocess
import uuid
from typing import Any

import pytest
import redis

from app.choices import tenancy
from app.dev.servers import BACKEND
from tests.choices import tenants
from tests.conftest import Connection, MintToken
from tests.running import Platform
from tests.test_imports import Office, csv_of, office, people

__all__ = ["office"]

MINE = tenancy.TENANT_COLUMN
NODE = BACKEND.parent / "dashboard"
SECONDS = 60.0

needs_node = pytest.mark.skipif(
    not (NODE / "node_modules" / "bullmq").is_dir(),
    reason="BullMQ for Node is not installed: `make dashboard` does it where Node 20 or newer is",
)
pytestmark = needs_node


class Program:
    """The example program, against the queue of these tests."""

    def __init__(self, platform: Platform) -> None:
        self.environment = platform.environment(platform.connections.for_worker())

    def ask(self, token: str, task: str, payload: object) -> str:
        done = self._run(token, task, payload)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def is_refused(self, token: str, task: str, payload: object) -> str:
        done = self._run(token, task, payload)
        assert done.returncode == 1, done.stdout
        return done.stderr.strip()

    def _run(self, token: str, task: str, payload: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["node", "enqueue.mjs", task, json.dumps(payload)],
            cwd=NODE,
            env={**self.environment, "TOKEN": token},
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )


@pytest.fixture
def program(platform: Platform) -> Program:
    return Program(platform)


async def failed_import(office: Office, admin: Connection) -> str:
    """An import that stopped before its first row, as an outage may leave it."""
    accepted = await office.upload(csv_of(people(3)))
    import_id: str = accepted.json()["id"]
    await office.finished(import_id)
    [(tenant_id,)] = admin.execute(
        f"select id from {tenants.NAMED} t", [tenants.external_id(office.name)]
    ).fetchall()
    place = tenants.schema_of(tenant_id)
    admin.execute(f"delete from {place}.contacts where {MINE} = %s".encode(), (tenant_id,))
    admin.execute(
        f"update {place}.imports set status = 'failed', error = 'an outage', rows_done = 0"
        " where id = %s".encode(),
        (import_id,),
    )
    return import_id


@pytest.mark.usefixtures("worker")
async def test_a_job_from_node_runs_in_the_name_of_its_person(
    office: Office, program: Program, token: MintToken, as_admin: Connection
) -> None:
    import_id = await failed_import(office, as_admin)
    mine = token(user=office.name, org=office.name)
    job_id = program.ask(mine, "imports.run", {"import_id": import_id})
    ended = await office.until(import_id, lambda state: state["status"] != "failed")
    ended = await office.finished(import_id)
    assert (ended["status"], ended["error"], ended["rows_rejected"]) == ("succeeded", None, 0)
    assert uuid.UUID(job_id)


@pytest.mark.usefixtures("worker")
async def test_what_no_program_may_do_is_refused(
    office: Office, program: Program, token: MintToken, as_admin: Connection
) -> None:
    import_id = await failed_import(office, as_admin)
    admin = token(user=office.name, org=office.name)
    told = {"import_id": import_id}
    assert "token" in program.is_refused(f"{admin}x", "imports.run", told)
    assert "token" in program.is_refused(token(user=office.name, ttl=-60), "imports.run", told)
    assert "housekeeping" in program.is_refused(admin, "housekeeping", {})
    assert "does not fit" in program.is_refused(admin, "imports.run", {"import_id": 7})

    # Taken in, but in the name of another tenant, which has no such import.
    stranger = token(user=uuid.uuid4().hex, org=uuid.uuid4().hex)
    job_id = program.ask(stranger, "imports.run", told)
    async with asyncio.timeout(SECONDS):
        while as_admin.execute("select from app.outbox where id = %s", (job_id,)).rowcount:
            await asyncio.sleep(0.02)
    assert (await office.state(import_id))["status"] == "failed"


@pytest.mark.usefixtures("worker")
async def test_tokens_do_not_stay_in_the_queue(
    office: Office, program: Program, token: MintToken, as_admin: Connection
) -> None:
    import_id = await failed_import(office, as_admin)
    mine = token(user=office.name, org=office.name)
    program.ask(mine, "imports.run", {"import_id": import_id})
    program.is_refused(mine, "housekeeping", {})
    with redis.from_url(program.environment["REDIS_URL"]) as server:
        kept: list[Any] = [
            server.hgetall(key) for key in server.scan_iter("bull:*-intake:*", _type="hash")
        ]
    assert kept
    assert mine not in str(kept)
