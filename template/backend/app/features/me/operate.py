"""What an operator can do about people. Runs as the role that migrates, and is audited."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg
import typer
from psycopg.conninfo import conninfo_to_dict
from rich.console import Console
from rich.progress import track

from app.choices import tenancy
from app.database import psycopg_url
from app.tenancy.operate import Connection, connect, owner_url, visible

_NAMED = "select subject, email from app.people_named(%s)"
_HINDRANCES = "select reason, may_be_overruled from app.hindrances_to_erasure(%s)"
_ERASE = "select app.erase_person(%s, %s)"
_SAME_REQUEST = "select set_config('app.request_id', %s, false)"


@dataclass(frozen=True, slots=True)
class _Person:
    """Whom it is about; `subject` is None of somebody who never signed in."""

    subject: str | None
    address: str | None

    @property
    def title(self) -> str:
        return visible(self.address or self.subject)


def erase(name: str, confirmation: str | None, *, ownerless: bool) -> None:
    """Erase a person in every database of the product.

    Args:
        name: Their id, the provider's or ours, or their address.
        confirmation: The name once more; asked for when it is None.
        ownerless: Whether organizations may be left without an owner.

    Raises:
        SystemExit: nobody is called that, or something is in the way. What was erased until then
            stays erased; run again, it goes on from there.
    """
    with connect() as control:
        # The control database comes last: until all is done, it knows who is meant.
        first, *others = tenancy.databases_of(owner_url())
        urls = [*others, first]
        person = _find(control, urls, name)
        hindrances: dict[str, bool] = {}

        def look(home: Connection) -> None:
            hindrances.update(home.execute(_HINDRANCES, (person.subject,)).fetchall())

        def forget(home: Connection) -> None:
            home.execute(_ERASE, (person.subject, person.address))

        _everywhere(control, urls, "looking", look)
        if not all(ownerless and may_be_overruled for may_be_overruled in hindrances.values()):
            raise SystemExit(_in_the_way(person, hindrances))
        _confirm(person, name, confirmation)
        failures = _everywhere(control, urls, "erasing", forget)
    if failures:
        lines = (
            f"{person.title} is not erased everywhere yet:",
            *(f"  {failure}" for failure in failures),
            "Cure the reason, then run this again. What is done is kept.",
        )
        raise SystemExit("\n".join(lines))
    typer.echo(f"{person.title} is erased. Erase them at the sign-in provider as well.")


def _find(control: Connection, urls: list[str], name: str) -> _Person:
    found = dict(control.execute(_NAMED, (name,)).fetchall())
    is_address = "@" in name
    if not found and is_address:
        # Whom only tenants' databases know by their address.
        def look(home: Connection) -> None:
            found.update(home.execute(_NAMED, (name,)).fetchall())

        _everywhere(control, urls, "looking", look)
    if name in found:
        found = {name: found[name]}
    if len(found) > 1:
        subjects = "\n".join(f"  {visible(subject)}" for subject in found)
        raise SystemExit(f"Several people have the address {name}. Say which, by id:\n{subjects}")
    if not found and not is_address:
        raise SystemExit(
            f"Nobody is called {name!r}: say the sign-in provider's id, ours, or an address."
        )
    # An address without a person: they were invited and never came, or their row is erased already.
    subject, address = next(iter(found.items()), (None, name))
    return _Person(subject, address or (name if is_address and name != subject else None))


def _everywhere(
    control: Connection, urls: list[str], doing: str, act: Callable[[Connection], None]
) -> list[str]:
    """Do something in each database, and return in which ones it failed, and why."""
    request = control.execute("select app.request_id()").fetchone()
    console = Console(stderr=True)
    hidden = len(urls) == 1 or not console.is_terminal
    failures = []
    for url in track(urls, doing, console=console, disable=hidden):
        try:
            with psycopg.connect(
                psycopg_url(url),
                autocommit=True,
                connect_timeout=10,
                client_encoding="utf8",
                application_name="operator",
            ) as home:
                home.execute(_SAME_REQUEST, request)
                act(home)
        except psycopg.Error as error:
            place = conninfo_to_dict(psycopg_url(url))
            failures.append(f"{place['dbname']} at {place['host']}: {error}".strip())
    return failures


def _in_the_way(person: _Person, hindrances: Mapping[str, bool]) -> str:
    lines = (f"{person.title} cannot be erased yet:", *(f"  {reason}" for reason in hindrances))
    if all(hindrances.values()):
        lines += ("Make somebody else an owner first, or say --ownerless.",)
    return "\n".join(lines)


def _confirm(person: _Person, name: str, confirmation: str | None) -> None:
    if confirmation is None:
        typer.echo(
            f"This erases {person.title}: name, address, memberships, keys, invitations. Nothing"
            " brings them back."
        )
        confirmation = typer.prompt(f"Type {visible(name)} to go on", "", show_default=False)
    if confirmation != name:
        raise SystemExit(
            f"{confirmation!r} is not {visible(name)}: nothing was changed. Say it exactly, with "
            f"--yes {visible(name)} in a script."
        )
