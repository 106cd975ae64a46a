"""`kill -9` of any part in the middle of an import loses nothing and doubles nothing."""

import os
import signal
from pathlib import Path

import pytest

from driving import Client, Product, until
from people import People
from rendering import covering, name_of

pytest_plugins = ["products"]

# A person's rows share their tables with everybody's, as an organization's do.
pytestmark = pytest.mark.parametrize(
    "combination",
    [answers for answers in covering() if answers["tenancy_model"] != "users"],
    ids=name_of,
    indirect=True,
    scope="session",
)

PEOPLE = People(rows=100_000, bad=1_000)

QUEUE_SERVERS = ("rabbitmq", "valkey")
"""The parts that may keep a queue's jobs; where none of them runs, the database does."""

SMALL_CHUNKS = {"IMPORT_CHUNK_ROWS": "1000"}
"""So that an import takes long enough to be interrupted, at one of 100 places."""

RECOVERY_SECONDS = 180.0
"""Jobs that a queue server forgot are offered again after a minute."""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return PEOPLE.write(tmp_path_factory.mktemp("people") / "people.csv")


@pytest.fixture
def client(product: Product) -> Client:
    return product.running(**SMALL_CHUNKS).sign_in()


def begin(client: Client, people: Path) -> str:
    """Start an import and return its id once it is in its midst."""
    import_id = client.start_import(people)

    def rows_done() -> int:
        ((done,),) = client.sql("select rows_done from imports where id = %s", import_id)
        return int(done)

    until(lambda: rows_done() > PEOPLE.rows // 20, "the midst of the import", 60.0)
    assert rows_done() < PEOPLE.rows, "the import was over before it could be interrupted"
    return import_id


def require_exactly_once(client: Client, import_id: str) -> None:
    """Every row is a contact or a rejected row, and every contact an audit record, once."""
    ended = client.import_ended(import_id, RECOVERY_SECONDS)
    assert (ended["status"], ended["error"]) == ("succeeded", None)
    assert ended["rows_total"] == ended["rows_done"] == PEOPLE.rows
    assert ended["rows_rejected"] == PEOPLE.bad
    assert client.rejected_rows(import_id) == PEOPLE.rejected_csv

    product, tenant = client.product, client.tenant_id
    contacts = client.sql(
        "select id, name, email, company, amount::text from contacts"  # noqa: S608  # one of two words
        f" where {product.tenant_column} = %s",
        tenant,
    )
    assert len(contacts) == PEOPLE.good
    assert {tuple(fields) for _, *fields in contacts} == set(PEOPLE.contacts())

    recorded = client.sql(
        "select action, row_id from audit.events where tenant_id = %s and table_name = 'contacts'",
        tenant,
    )
    assert len(recorded) == PEOPLE.good
    assert set(recorded) == {("insert", identifier) for identifier, *_ in contacts}

    def unfinished() -> list[tuple[object, ...]]:
        return client.sql(
            "select task, attempts, error from app.outbox where tenant_id = %s", tenant
        )

    until(lambda: not unfinished(), f"an empty outbox, not {unfinished()}")


@pytest.mark.parametrize("victim", ["worker", "the queue's server", "postgres", "api"])
def test_an_import_survives_the_end_of_a_part(client: Client, people: Path, victim: str) -> None:
    product = client.product
    if victim == "the queue's server":
        running = [part for part in QUEUE_SERVERS if part in product.runtime()["pids"]]
        if not running:
            pytest.skip("the jobs are in Postgres")
        (victim,) = running
    import_id = begin(client, people)
    os.kill(product.pid(victim), signal.SIGKILL)

    ended = product.ended()
    assert ended.code != 0
    assert f"error: {victim} has ended" in ended.said
    assert product.processes() == []

    product.start(**SMALL_CHUNKS)
    require_exactly_once(client, import_id)


def test_an_import_survives_the_end_of_everything(client: Client, people: Path) -> None:
    """The worst hour: each part is killed in turn, and the import never gets far."""
    product = client.product
    import_id = begin(client, people)
    for victim in ("worker", "api", "worker"):
        os.kill(product.pid(victim), signal.SIGKILL)
        product.ended()
        product.start(**SMALL_CHUNKS)
    require_exactly_once(client, import_id)


def test_nothing_outlives_a_killed_supervisor(client: Client, people: Path) -> None:
    product = client.product
    import_id = begin(client, people)
    os.kill(product.runtime()["supervisor"]["pid"], signal.SIGKILL)
    product.ended()
    until(lambda: not product.processes(), f"the end of {product.processes()}")

    product.start(**SMALL_CHUNKS)
    require_exactly_once(client, import_id)


def test_a_worker_that_is_told_to_end_finishes_what_it_has_begun(
    client: Client, people: Path
) -> None:
    product = client.product
    import_id = begin(client, people)
    os.kill(product.pid("worker"), signal.SIGTERM)

    # The supervisor ends everything once the worker has ended; not before.
    ended = product.ended()
    assert "worker has ended (exit code 0)" in ended.said
    assert product.processes() == []

    product.start(**SMALL_CHUNKS)
    require_exactly_once(client, import_id)


def test_a_worker_that_may_not_drain_hands_its_job_back(client: Client, people: Path) -> None:
    impatient = SMALL_CHUNKS | {"WORKER_DRAIN_SECONDS": "0"}
    product = client.product.running(**impatient)
    import_id = begin(client, people)
    os.kill(product.pid("worker"), signal.SIGTERM)
    assert "worker has ended (exit code 0)" in product.ended().said

    product.start(**SMALL_CHUNKS)
    assert client.get(f"/imports/{import_id}")["rows_done"] < PEOPLE.rows
    require_exactly_once(client, import_id)
