"""`app supabase`. It imports what it needs when it runs, so that `--help` answers at once."""

from pathlib import Path
from typing import Annotated

import typer

group = typer.Typer(no_args_is_help=True, help="What Supabase's own tools need to be told.")


@group.callback()
def supabase() -> None:
    """What Supabase's own tools need to be told."""


@group.command()
def emit(
    output: Annotated[
        Path, typer.Option(help="The folder that Supabase's CLI reads.", file_okay=False)
    ] = Path("../supabase/migrations"),
) -> None:
    """Write the migrations as files for `supabase db push`: those that are not there yet."""
    from app.hosts.emission import emit as write

    for path in write(output):
        typer.echo(f"{path}")
