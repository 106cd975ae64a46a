"""`app schemas`. Commands import what they need when they run, so that `--help` answers at once."""

import typer

group = typer.Typer(no_args_is_help=True, help="The schemas that tenants have of their own.")


@group.callback()
def schemas() -> None:
    """The schemas that tenants have of their own."""


@group.command()
def serve() -> None:
    """Make a schema for every new tenant within moments, until told to stop.

    Runs as the role that owns the tables (MIGRATION_DATABASE_URL), on a direct connection. Any
    number of these may run; without one, new tenants wait for the next `app migrate`.
    """
    from app.tenancy.provisioner import main

    main()
