"""A response whose body is JSON already. By itself, because a worker answers nobody."""

from starlette.responses import Response


class JSONText(Response):
    """JSON that Postgres wrote."""

    media_type = "application/json"
