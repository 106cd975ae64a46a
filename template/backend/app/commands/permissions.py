"""`app permissions`: the table of app/auth/permissions.py, for people."""

from enum import StrEnum
from typing import Annotated

import typer

from app.auth.permissions import MEANINGS, ROLES, Permission, Role
from app.command_choices import tenancy

group = typer.Typer(help="Who may do what: roles, permissions and what they mean.")

_ABOUT = """\
# Permissions

Who may do what, as `app/auth/permissions.py` has it. `make permissions` writes this page."""


class _Format(StrEnum):
    """How the table is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"


@group.callback(invoke_without_command=True)
def permissions(
    form: Annotated[
        _Format, typer.Option("--format", help="markdown: the page in docs/permissions.")
    ] = _Format.TEXT,
) -> None:
    """Print what each role may do, and what each permission means. Changes nothing."""
    if form is _Format.MARKDOWN:
        typer.echo(page())
    else:
        _print()


def page() -> str:
    """The page of documentation, without the newline at its end."""
    roles = tenancy.ROLES
    lines = [
        _row("permission", *roles, "meaning"),
        _row("---", *(":-:" for _ in roles), "---"),
        *(
            _row(f"`{name}`", *(_mark(role, name) for role in roles), meaning)
            for name, meaning in _used()
        ),
    ]
    return "\n".join([_ABOUT, "", *lines])


def _print() -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("permission", *tenancy.ROLES, "meaning", box=box.SIMPLE)
    for name, meaning in _used():
        table.add_row(name, *(_mark(role, name) for role in tenancy.ROLES), meaning)
    Console().print(table)


def _used() -> list[tuple[Permission, str]]:
    return [
        (name, meaning)
        for name, meaning in MEANINGS.items()
        if name.partition(":")[0] not in tenancy.UNUSED
    ]


def _mark(role: Role, name: Permission) -> str:
    return "yes" if name in ROLES[role] else "-"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
