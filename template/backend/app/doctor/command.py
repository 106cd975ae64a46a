"""What `uv run app doctor` prints."""

import sys
from collections.abc import Sequence

import psycopg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.choices import tenancy
from app.database import psycopg_url
from app.doctor.examination import Examination, examine
from app.settings import get_settings


def main() -> int:
    """Examine the database that the settings name and print what was found.

    Returns:
        The exit code: 0 when nothing is wrong, 1 when something is, 2 when nobody could look.
    """
    settings = get_settings()
    secret = settings.migration_database_url or settings.database_url
    code = 0
    try:
        for url in tenancy.databases_of(psycopg_url(secret.get_secret_value())):
            with psycopg.connect(url, connect_timeout=10) as database:
                database.execute("set transaction isolation level repeatable read read only")
                examinations = examine(database)
                name = f"{database.info.dbname} at {database.info.host}:{database.info.port}"
            code = max(code, report(examinations, name))
    except psycopg.OperationalError as error:
        sys.stderr.write(
            f"The database cannot be examined: {error}\n"
            "Check MIGRATION_DATABASE_URL (or DATABASE_URL), and that the server runs.\n"
        )
        return 2
    return code


def report(examinations: Sequence[Examination], database: str) -> int:
    """Print a table of all checks, then a line for each finding with its cure; return the code."""
    console = Console(highlight=False)
    # On one line, however narrow the terminal: there may be many databases.
    console.print(f"Database {escape(database)}", soft_wrap=True)
    table = Table("check", "object", "verdict")
    failures = warnings = 0
    for examination in examinations:
        name = examination.check.name
        if not examination.findings:
            table.add_row(name, "", "[green]ok[/]")
        for finding in examination.findings:
            verdict = "[yellow]warning[/]" if finding.is_warning else "[red]FAILED[/]"
            table.add_row(name, escape(finding.object), verdict)
            failures += not finding.is_warning
            warnings += finding.is_warning
    console.print(table)
    for examination in examinations:
        _explain(console, examination)
    if failures:
        console.print(f"[red]{failures} failure(s), {warnings} warning(s).[/]")
        return 1
    console.print(f"Every table isolates, every change is recorded. {warnings} warning(s).")
    return 0


def _explain(console: Console, examination: Examination) -> None:
    if not examination.findings:
        return
    console.print(f"\n[bold]{examination.check.name}[/] {examination.check.why}", soft_wrap=True)
    for finding in examination.findings:
        word = "warning" if finding.is_warning else "FAILED"
        console.print(
            f"  {word} {examination.check.name}: {escape(finding.object)} "
            f"{escape(finding.problem)}\n         cure: {escape(finding.cure)}",
            soft_wrap=True,
        )
