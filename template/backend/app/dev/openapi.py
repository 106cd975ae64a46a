"""Print the API's OpenAPI document: `python -m app.dev.openapi`. Nothing has to run for it."""

import os
import sys

import msgspec

from app.dev.choices import provider
from app.dev.environment import require_development
from app.dev.processes import DevelopmentError
from app.dev.servers import Connections


def main() -> None:
    """Build the application on servers that are not there, and let it describe itself."""
    try:
        require_development("Describing the API without its servers")
    except DevelopmentError as error:
        sys.exit(str(error))
    nowhere = "127.0.0.1:1"
    database = f"postgresql://nobody@{nowhere}/nothing"
    connections = Connections(
        migrator=database,
        app_api=database,
        app_worker=database,
        storage="memory://",
        issuer=f"http://{nowhere}{provider.ISSUER_PATH}",
        queue=f"redis://{nowhere}",
        mail=f"smtp://{nowhere}",
    )
    os.environ.update(connections.for_api(), DOCS_ENABLED="true")

    from app.main import create_app

    document = msgspec.json.encode(create_app().openapi(), order="sorted")
    sys.stdout.buffer.write(msgspec.json.format(document) + b"\n")


if __name__ == "__main__":
    main()
