"""What `app migrate` would run, as files for Supabase's own tools.

A file is named by the time when it was first written, as those tools have it, and is never written
again: what has run somewhere must not change. Applied to an empty project they leave a database
that `app migrate` finds up to date.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from app.choices import host, tenancy
from app.migrations import (
    ANSWERS_TABLE,
    SQL,
    VERSION_SCHEMA,
    answer_files,
    configuration_of_logins,
    revisions_as_sql,
)
from app.settings import Settings

_TIME = "%Y%m%d%H%M%S"
_VERSIONS = f"CREATE TABLE {VERSION_SCHEMA}.alembic_version"

# Each file stands for itself: it acts as the helpers' owners for no longer than it takes.
_FRAME = """\
-- Written by `app supabase emit`. Do not edit: it stands for {what}.
set lock_timeout = '5s';
set search_path = public;
do $$
begin
    execute 'grant app_definer, app_audit to current_user'
        || case when current_setting('server_version_num')::int >= 160000
               then ' with inherit false, set true' else '' end;
end;
$$;

{body}

reset role;
revoke app_definer, app_audit from current_user;
do $$
begin
    execute 'grant app_operator to current_user'
        || case when current_setting('server_version_num')::int >= 160000
               then ' with inherit false, set true' else '' end;
end;
$$;
reset search_path;
reset lock_timeout;
"""

_ROLES = """\
-- Written by `app supabase emit`. Do not edit: it stands for the roles.
{body}
create schema if not exists {schema};
{answers};
"""


def emit(folder: Path) -> list[Path]:
    """Write what the folder does not have yet.

    Args:
        folder: `supabase/migrations`.

    Returns:
        The files that were written, in the order in which they run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = sorted(folder.glob("*.sql"))
    known = {path.name.partition("_")[2] for path in there}
    last = max((path.name.partition("_")[0] for path in there), default="")
    at = datetime.now(UTC)
    if last.isdigit() and len(last) == len(at.strftime(_TIME)):
        at = max(at, datetime.strptime(last, _TIME).replace(tzinfo=UTC) + timedelta(seconds=1))
    written = []
    for name, text in _parts():
        if f"app_{name}.sql" in known:
            continue
        path = folder / f"{at.strftime(_TIME)}_app_{name}.sql"
        path.write_text(text)
        written.append(path)
        at += timedelta(seconds=1)
    return written


def _parts() -> Iterator[tuple[str, str]]:
    """Each part by its name, in the order in which `app migrate` runs them."""
    roles = (SQL / "roles.sql").read_text()
    if host.PREPARE is not None:
        roles += (SQL / host.PREPARE).read_text()
    yield (
        f"roles_{_digest(roles)}",
        _ROLES.format(body=roles, schema=VERSION_SCHEMA, answers=ANSWERS_TABLE),
    )
    yield from _revisions("control")
    for question, file in answer_files():
        text = file.read_text()
        note = (
            f"insert into {VERSION_SCHEMA}.answers as a"  # noqa: S608  # our own names
            f" values ('{question}', '\\x{sha256(text.encode()).hexdigest()}')\n"
            "on conflict (question) do update set sha256 = excluded.sha256;"
        )
        yield (
            f"answer_{question}_{_digest(text)}",
            _FRAME.format(what=f"what only the answer to {question} needs", body=f"{text}\n{note}"),
        )
    if tenancy.HOMES == "^public$":
        yield from _revisions("tenant")
    logins = "\n".join(_logins())
    yield f"logins_{_digest(logins)}", _FRAME.format(what="what the logins have set", body=logins)


def _logins() -> Iterator[str]:
    defaults = (
        Settings.model_fields[f"database_{name}_timeout"].default for name in ("statement", "lock")
    )
    yield "select audit.ensure_partitions();"
    yield "do $$\nbegin"
    for login, name, value in configuration_of_logins(*defaults):
        yield (
            f"    execute format('alter role {login} in database %I set {name} = ''{value}''',"
            " current_database());"
        )
    yield "end;\n$$;"


def _revisions(branch: str) -> Iterator[tuple[str, str]]:
    for revision, text in revisions_as_sql(branch):
        # The two histories share a table of versions, and each thinks that it makes it.
        body = text.replace(_VERSIONS, _VERSIONS.replace("TABLE", "TABLE IF NOT EXISTS"))
        yield revision, _FRAME.format(what=f"revision {revision}", body=body)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]
