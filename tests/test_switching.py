"""A product with data takes other answers, one after the other, and goes on with its data."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from itertools import pairwise as consecutive
from pathlib import Path
from typing import Any

import pytest

from driving import Client, Product, claims_of, until
from releasing import (
    BEFORE,
    NEW_REVISION,
    NEXT,
    NOW,
    Copy,
    Template,
    contents,
    head,
    heads,
    releases,
    render,
    revision,
)
from rendering import Answers, choices, combinations

SWITCHED = ("queue_backend", "auth_provider", "database_host")
# Each answer of these questions follows each other one, in as few steps as there are such pairs.
JOURNEY: list[Answers] = [
    {"queue_backend": queue, "auth_provider": provider, "database_host": host}
    for queue, provider, host in (
        ("bullmq", "clerk", "postgres"),
        ("procrastinate", "oidc", "supabase"),
        ("celery", "supabase", "neon"),
        ("bullmq", "clerk", "postgres"),
        ("celery", "supabase", "neon"),
        ("procrastinate", "oidc", "supabase"),
        ("bullmq", "clerk", "postgres"),
    )
]
COMPANY = {"tenancy_model": "rows", "frontend": "none"}
ROWS = 10_000


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return releases(tmp_path_factory.mktemp("releases") / "template")


@pytest.fixture
def place() -> Iterator[Path]:
    """Where root's servers, which run as another user, reach their files."""
    with tempfile.TemporaryDirectory(prefix="copier-saas-") as scratch:
        Path(scratch).chmod(0o755)
        yield Path(scratch, "acme")
        shutil.rmtree(Path(scratch, "acme"), ignore_errors=True)


def test_every_answer_follows_every_other_on_the_way() -> None:
    for question in SWITCHED:
        offered = choices()[question]
        steps = {(before[question], after[question]) for before, after in consecutive(JOURNEY)}
        assert steps == {(a, b) for a in offered for b in offered if a != b}
    for answers in JOURNEY:
        assert {**COMPANY, **answers} in combinations()


def ids_in(token: str) -> dict[str, str]:
    """The provider's ids of who is signed in and of their organization."""
    claims = claims_of(token)[1]
    organization = claims["o"]["id"] if "o" in claims else claims["org_id"]
    return {"user": claims["sub"], "organization": organization}


class Life:
    """Somebody who works with the product all the way."""

    def __init__(self, copy: Copy) -> None:
        self.copy = copy
        self.user = ""
        self.steps = 0
        self.contacts: list[str] = []
        self.imports: list[str] = []

    def token(self, product: Product) -> str:
        """Their token, in which every provider calls them and their organization otherwise."""
        return product.token(f"ada-{self.steps}", f"acme-{self.steps}")

    def signed_in(self, product: Product) -> Client:
        return Client(product, f"acme-{self.steps}", self.token(product))

    def works(self, product: Product) -> None:
        """Add a contact, and begin an import that does not get to its end."""
        client = self.signed_in(product)
        self.user = client.get("/me")["user"]["id"]
        nth = len(self.imports)
        self.contacts.append(client.add_contact(email=f"ada-{nth}@example.com")["id"])
        lines = (f"Ada,ada-{nth}-{row}@example.com,Engines,1" for row in range(ROWS))
        sent = client.upload("\n".join(("name,email,company,amount", *lines, "")).encode())
        assert sent.status_code == 202, sent.text
        self.imports.append(sent.json()["id"])
        until(
            lambda: client.get(f"/imports/{self.imports[-1]}")["status"] != "queued",
            "a worker that has begun",
        )

    def has_everything(self, product: Product) -> None:
        """The same person, all contacts, and each import with each row, once."""
        client = self.signed_in(product)
        assert client.get("/me")["user"]["id"] == self.user
        for contact in self.contacts:
            client.get(f"/contacts/{contact}")
        for started in self.imports:
            ended = client.import_ended(started)
            assert (ended["status"], ended["rows_done"], ended["rows_rejected"]) == (
                "succeeded",
                ROWS,
                0,
            )
        ((count,),) = product.sql("select count(*) from contacts")
        assert count == len(self.contacts) + ROWS * len(self.imports)
        trail = client.get("/audit-events", table="contacts", limit=1)
        assert trail["items"]

    def switches(
        self, before: Mapping[str, str], after: Mapping[str, str], product: Product
    ) -> str:
        """What `app users switch` says to the ids of the old and the new provider."""
        rows = "".join(f"{kind},{before[kind]},{after[kind]}\n" for kind in before)
        file = self.copy.path.parent / "ids.csv"
        file.write_text(f"kind,before,after\n{rows}")
        return product.app_offline("users", "switch", str(file))


@pytest.mark.timeout(2400)
def test_a_product_goes_on_with_its_data(template: Template, place: Path) -> None:
    """A release behind an owner's migration, then every switch, each in the midst of a job."""
    copy = Copy.of(template, place, {**COMPANY, **JOURNEY[0]}, BEFORE)
    own = "create table public.mine (id bigint primary key)"
    copy.write("backend/migrations/tenant/t0003_mine.py", revision("t0003", head(copy.path), own))
    product = Product(copy.path, {**COMPANY, **JOURNEY[0]})
    life = Life(copy)
    try:
        product.start()
        life.works(product)
        for nth, answers in enumerate(JOURNEY[1:]):
            ids = ids_in(life.token(product))
            product.stop()
            product.abandon()

            copy.commit()
            copy.update(NEXT, **answers)
            assert not copy.unmerged
            assert heads(copy.path) == {NEW_REVISION}
            product = Product(copy.path, {**COMPANY, **answers})
            product.make("migrate")
            life.steps += 1
            said = life.switches(ids, ids_in(life.token(product)), product)
            assert "2 changed" in said, said

            product.start()
            life.has_everything(product)
            product.make("doctor")
            if nth == 0:
                product.sql("select id from mine")
                product.sql("select phone from contacts limit 1")
            life.works(product)
        life.has_everything(product)
    finally:
        product.abandon()


@pytest.mark.parametrize("frontend", ["nextjs", "none"])
def test_a_front_end_comes_and_goes_and_leaves_the_database_alone(
    template: Template, tmp_path: Path, frontend: str
) -> None:
    (other,) = set(choices()["frontend"]) - {frontend}
    copy = Copy.of(template, tmp_path / "acme", {"frontend": other}, NOW)
    migrations = {name: held for name, held in copy.contents().items() if "/migrations/" in name}
    copy.update(NOW, frontend=frontend)
    assert not copy.unmerged
    found = copy.contents()
    assert found == contents(render(template, tmp_path / "fresh", {"frontend": frontend}, NOW))
    assert found.items() >= migrations.items()
    assert ("frontend/package.json" in found) == (frontend == "nextjs")


@pytest.mark.parametrize(
    ("before", "after"),
    [("users", "rows"), ("rows", "users"), ("rows", "schemas"), ("databases", "rows")],
)
def test_another_tenancy_is_refused_with_the_page_that_says_how(
    template: Template, tmp_path: Path, before: str, after: str
) -> None:
    answers: dict[str, Any] = {"frontend": "none", "tenancy_model": before}
    copy = Copy.of(template, tmp_path / "acme", answers, NOW)
    done = copy.make("update", "VERSION=current", f"ARGS=-d tenancy_model={after}")
    assert done.returncode
    assert f"tenancy_model was {before}" in done.stderr
    assert "docs/updating.md" in done.stderr
    assert "### Another tenancy" in copy.text("docs/updating.md")
    assert not copy.status
