"""`app new-table`: what it refuses, what it writes, and that what it writes is as good as the rest.

It runs on a copy of this repository's backend, where the checks of this repository then run too.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.choices import tenancy
from app.dev.servers import BACKEND, Connections
from app.scaffold.files import write
from app.scaffold.names import LONGEST, RESERVED, Refusal, singular_of
from app.scaffold.plan import Plan, plan
from tests.conftest import Connection
from tests.running import Platform

EVERY_TYPE = ["text", "int", "bigint", "decimal", "bool", "date", "timestamp", "uuid", "json"]
SHORT: tuple[str, list[str]] = ("jots", [])
INVOICES = ("invoices", ["number:text", "due_on:date", "total:decimal", "paid:bool"])
LONG = (
    "w" * (LONGEST - 1) + "s",
    [
        f"{f'{kind}_{is_optional}_'.ljust(LONGEST, 'x')}:{kind}{'?' if is_optional else ''}"
        for kind in EVERY_TYPE
        for is_optional in (0, 1)
    ],
)
OPTIONAL = ("line_items", ["note:text?", "invoice_id:uuid?", "type:int?"])


def copy_backend(target: Path) -> Path:
    # The caches are taken along: what they know of these files, the tools need not find out again.
    skipped = shutil.ignore_patterns(".venv", ".pytest_cache", ".hypothesis", ".dev")
    shutil.copytree(BACKEND, target, ignore=skipped)
    return target


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backend that tests only look at."""
    return copy_backend(tmp_path_factory.mktemp("copy") / "backend")


def run(
    backend: Path, *command: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        env=environment or {**os.environ, "ENVIRONMENT": "test"},
        cwd=backend,
        check=False,
        capture_output=True,
        text=True,
    )


def new_table(
    backend: Path, name: str, fields: list[str], *more: str
) -> subprocess.CompletedProcess[str]:
    options = [argument for field in fields for argument in ("--field", field)]
    return run(backend, "app.cli", "new-table", name, *options, *more)


def contents(backend: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(backend)): path.read_bytes()
        for path in backend.rglob("*")
        if path.is_file() and "cache" not in str(path)
    }


# --- What is written ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backend with tables of short and long names, and of every type of field."""
    backend = copy_backend(tmp_path_factory.mktemp("grown") / "backend")
    done = new_table(backend, *INVOICES)
    assert done.returncode == 0, done.stdout + done.stderr
    for told in ("app/features/invoices/service.py", "make migrate", "tests/test_invoices.py"):
        assert told in done.stdout
    for table in (SHORT, LONG, OPTIONAL):
        write(plan(backend, *table))
    return backend


def test_it_is_written_where_a_reader_looks_for_it(copy: Path, grown: Path) -> None:
    before, after = contents(copy), contents(grown)
    (sql,) = (path for path in after if path.endswith("_invoices.sql"))
    number = int(Path(sql).name.split("_")[0])
    assert re.search(r"\(org_id, id\)|\(user_id, id\)", after[sql].decode())
    assert tenancy.TENANT_COLUMN in after[sql].decode()
    for step, (name, _) in enumerate((INVOICES, SHORT, LONG, OPTIONAL)):
        for path in (
            f"migrations/sql/tenant/{number + step:04}_{name}.sql",
            f"migrations/tenant/t{number + step:04}_{name}.py",
            f"tests/test_{name}.py",
            *(
                f"app/features/{name}/{file}.py"
                for file in ("__init__", "models", "schemas", "service", "endpoints")
            ),
        ):
            assert path not in before
            assert path in after
    changed = {path for path in before if before[path] != after.get(path)}
    assert changed == {"app/main.py", "app/models.py", "app/auth/permissions.py"}


@pytest.mark.parametrize("tool", [("ruff", "check", "."), ("ruff", "format", "--check", ".")])
def test_it_is_formatted_and_linted(grown: Path, tool: tuple[str, ...]) -> None:
    done = run(grown, *tool)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(600)
def test_its_types_are_right(grown: Path) -> None:
    done = run(grown, "mypy")
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_migrates_and_the_doctor_finds_nothing(
    grown: Path, platform: Platform, new_database: Callable[..., Connections]
) -> None:
    connections = new_database(migrated=False)
    environment = platform.environment(connections.for_operator())
    for command in ("migrate", "doctor"):
        done = run(grown, "app.cli", command, environment=environment)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.servers
@pytest.mark.timeout(600)
def test_its_own_tests_and_those_of_isolation_pass(grown: Path) -> None:
    tests = [f"tests/test_{name}.py" for name, _ in (INVOICES, SHORT, LONG, OPTIONAL)]
    attacks = ["tests/test_isolation.py", "tests/test_isolation_http.py"]
    done = run(grown, "pytest", "-q", "-x", *tests, *attacks)
    assert done.returncode == 0, done.stdout + done.stderr


# --- What is not ----------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing(copy: Path) -> None:
    before = contents(copy)
    done = new_table(copy, *INVOICES, "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "create table invoices" in done.stdout
    assert '+    "invoices:write",' in done.stdout
    assert contents(copy) == before


def test_it_is_not_done_twice(grown: Path) -> None:
    before = contents(grown)
    again = new_table(grown, *INVOICES)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert "Traceback" not in again.stderr
    assert contents(grown) == before


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Invoices", "lower-case"),
        ("invoices; drop table users", "lower-case"),
        ("../invoices", "lower-case"),
        ("_invoices", "lower-case"),
        ("line__items", "lower-case"),
        ("2fas", "lower-case"),
        ("cafés", "lower-case"),
        ("", "lower-case"),
        ("x" * LONGEST + "s", str(LONGEST)),
        ("lambda", "Python"),
        ("select", "SQL"),
        ("tablesample", "SQL"),
        ("contacts", "already"),
        ("import_rejections", "already"),
        ("users", "already"),
        ("tenants", "already"),
        ("docs", "main.py"),
        ("events", "main.py"),
        ("sessions", "--singular"),
        ("equipment", "--singular"),
        ("warnings", "--singular"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name: str, says: str) -> None:
    with pytest.raises(Refusal, match=re.escape(says)):
        plan(BACKEND, name, [])


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("name", "name:type"),
        ("name:", "name:type"),
        ("name:varchar", "text, int, bigint"),
        ("Name:text", "lower-case"),
        ("naïve:text", "lower-case"),
        ("x" * (LONGEST + 1) + ":text", str(LONGEST)),
        ("order:int", "SQL"),
        ("async:bool", "Python"),
        ("id:uuid", "already"),
        ("created_at:timestamp", "already"),
        (f"{tenancy.TENANT_COLUMN}:uuid", "already"),
        ("row_id:uuid", "already"),
        ("metadata:json", "SQLAlchemy"),
        ("schema:text", "pydantic"),
        ("model_name:text", "pydantic"),
        ("date:date", "type"),
    ],
)
def test_a_field_that_cannot_be_is_refused(field: str, says: str) -> None:
    with pytest.raises(Refusal, match=re.escape(says)):
        plan(BACKEND, "notes", ["body:text", field])


def test_a_field_is_named_once_and_fields_are_not_too_many() -> None:
    with pytest.raises(Refusal, match="twice"):
        plan(BACKEND, "notes", ["body:text", "body:int"])
    with pytest.raises(Refusal, match="fields"):
        plan(BACKEND, "notes", [f"field{number}:text" for number in range(60)])


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("invoices", "invoice"),
        ("companies", "company"),
        ("line_items", "line_item"),
        ("addresses", "address"),
        ("boxes", "box"),
        ("branches", "branch"),
        ("statuses", "status"),
        ("warehouses", "warehouse"),
        ("movies", "movie"),
        ("people", "person"),
        ("sales_people", "sales_person"),
        ("series", "series"),
        ("expenses", "expense"),
        ("sizes", "size"),
    ],
)
def test_one_of_many(plural: str, singular: str) -> None:
    assert singular_of(plural) == singular


def test_a_singular_of_ones_own(copy: Path) -> None:
    made = plan(copy, "sessions", [], singular="seminar")
    assert "class Seminar(" in made.text("app/features/sessions/models.py")
    assert 'prefix="/sessions"' in made.text("app/features/sessions/endpoints.py")
    with pytest.raises(Refusal, match="lower-case"):
        plan(copy, "sessions", [], singular="Seminar")


def test_every_word_that_sql_reserves_is_known(as_admin: Connection) -> None:
    reserved = as_admin.execute("select word from pg_get_keywords() where catcode in ('R', 'T')")
    assert {word for (word,) in reserved} <= RESERVED


# --- A repository that has grown in its own way ---------------------------------------------------


@pytest.mark.parametrize(
    ("path", "was", "says"),
    [
        ("app/main.py", "for feature in (", "the loop"),
        ("app/models.py", "__all__ = ", "`__all__`"),
        ("app/auth/permissions.py", "_MEMBER", "_MEMBER"),
        ("app/auth/permissions.py", "Permission: TypeAlias", "Permission"),
    ],
)
def test_a_file_that_looks_otherwise_is_left_alone(
    tmp_path: Path, path: str, was: str, says: str
) -> None:
    backend = copy_backend(tmp_path / "backend")
    file = backend / path
    text = file.read_text()
    assert was in text
    file.write_text(text.replace(was, was.replace("feature", "part").replace("_", "X").upper()))
    before = contents(backend)
    with pytest.raises(Refusal, match=re.escape(says)) as refused:
        plan(backend, *INVOICES)
    assert path in str(refused.value)
    assert "--no-wiring" in str(refused.value)
    assert contents(backend) == before

    made = plan(backend, *INVOICES, wiring=False)
    assert {"app/main.py", "app/models.py", "app/auth/permissions.py"}.isdisjoint(
        str(path.relative_to(backend)) for path in made.files
    )
    assert "endpoints as invoices" in made.by_hand


def test_several_heads_are_refused(tmp_path: Path) -> None:
    backend = copy_backend(tmp_path / "backend")
    write(plan(backend, *INVOICES))
    (made,) = backend.glob("migrations/tenant/*_invoices.py")
    branch = made.with_name("t0009_branch.py")
    branch.write_text(made.read_text().replace(f'"{made.name[:5]}"', '"t0009"', 1))
    with pytest.raises(Refusal, match=r"0009.*down_revision"):
        plan(backend, *SHORT)


def test_all_or_nothing(tmp_path: Path) -> None:
    """The last of the files cannot be written: its folder is a file."""
    (tmp_path / "edited").write_text("before")
    (tmp_path / "blocked").write_text("a file")
    files = {
        tmp_path / "new" / "deep" / "file": "new",
        tmp_path / "edited": "after",
        tmp_path / "blocked" / "file": "never",
    }
    with pytest.raises(OSError, match="blocked"):
        write(Plan(tmp_path, files, edited={tmp_path / "edited"}, by_hand=""))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["blocked", "edited"]
    assert (tmp_path / "edited").read_text() == "before"


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    files = {tmp_path / "mine": "mine", theirs: "mine"}
    with pytest.raises(FileExistsError):
        write(Plan(tmp_path, files, edited=set(), by_hand=""))
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]
    assert theirs.read_text() == "theirs"
