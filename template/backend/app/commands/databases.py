"""`app databases`. Commands import what they need when they run: `--help` answers at once."""

import typer

group = typer.Typer(no_args_is_help=True, help="The databases that tenants have of their own.")


@group.callback()
def databases() -> None:
    """The databases that tenants have of their own."""


@group.command()
def serve() -> None:
    """Make a database for every new tenant within moments, until told to stop.

    Runs as the role that owns the databases (MIGRATION_DATABASE_URL), on a direct connection. Any
    number of these may run; without one, new tenants wait for the next `app migrate`.
    """
    from app.tenancy.provisioner import main

    main()
