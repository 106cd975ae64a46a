"""What an operator types: `uv run app …`. Each command says in its help what it changes."""

from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated

import typer

from app import commands
from app.dev.choices import people
from app.dev.command import development_servers

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
for _group in iter_modules(commands.__path__):
    _module = import_module(f"{commands.__name__}.{_group.name}")
    app.add_typer(_module.group, name=_group.name.replace("_", "-"))

# Commands import what they need when they run, so that `--help` and `token` answer at once.


@app.command()
def api(
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8000,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    proxies: Annotated[
        str, typer.Option(help="Proxies whose X-Forwarded-For is believed, comma separated.")
    ] = "127.0.0.1",
    keep_alive: Annotated[
        int,
        typer.Option(
            help="Seconds that an idle connection is kept. Longer than the load balancer's own"
            " (60 is usual), or it now and then sends a request into a closing connection: a 502."
        ),
    ] = 75,
) -> None:
    """Serve the HTTP API."""
    import uvicorn

    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=host,
        port=port,
        forwarded_allow_ips=proxies,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=keep_alive,
        timeout_graceful_shutdown=30,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=4096,
        ws_ping_interval=15,
        ws_ping_timeout=15,
    )


@app.command()
def worker() -> None:
    """Run jobs until told to stop, then finish those that have begun."""
    from app import worker as process

    process.main()


@app.command()
def migrate() -> None:
    """Bring the database to the current version: roles, tables, policies, logins."""
    from app.migrations import migrate as run
    from app.settings import get_settings

    with development_servers():
        typer.echo(f"The database is at revision {run(get_settings())}.")


@app.command()
def doctor() -> None:
    """Check that the live database still isolates and audits: each failure comes with its cure.

    Exit 1 if something is wrong, 2 if the database cannot be reached.
    """
    from app.doctor import main

    with development_servers():
        code = main()
    raise typer.Exit(code)


@app.command()
def dev(
    port: Annotated[
        int | None, typer.Option(envvar="API_PORT", help="The API's port; 8000 unless given.")
    ] = None,
    seed: Annotated[bool, typer.Option(help="Make demo data for two tenants.")] = False,
) -> None:
    """Run everything on this machine: servers, migrations, API, worker; until Ctrl-C."""
    from app.dev.supervisor import run

    raise typer.Exit(run(port, seed))


@app.command()
def new_table(
    name: Annotated[str, typer.Argument(help="The table's name, a plural: sales_orders.")],
    field: Annotated[
        list[str] | None,
        typer.Option(
            help="name:type, once for each field. Types: text, int, bigint, decimal, bool, date,"
            " timestamp, uuid, json; with a ? behind it, a row may be without. Unless given,"
            " name:text."
        ),
    ] = None,
    singular: Annotated[
        str | None, typer.Option(help="What one row is called, if no rule can tell: sales_order.")
    ] = None,
    wiring: Annotated[
        bool, typer.Option(help="Edit the files that know every feature, or say what to add.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option(help="Show what would be written; write nothing.")
    ] = False,
) -> None:
    """Write a table that tenants own: migration, models, endpoints, permissions, tests."""
    from app.scaffold.command import new_table as scaffold

    scaffold(name, field or [], singular, wiring=wiring, dry_run=dry_run)


app.command()(people.token)


if __name__ == "__main__":
    app()
