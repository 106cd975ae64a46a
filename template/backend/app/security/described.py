"""Errors in the OpenAPI document: for each operation those that it can end with, and no others.

An endpoint that answers with a further status says so itself, with `responses={410: …}`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI

from app.security.problems import MEDIA_TYPE, SCHEMA

_NAME = "Problem"

_DESCRIPTIONS: Mapping[int, str] = {
    400: "The request could not be read, or is for another host.",
    401: "There is no token, or it is refused.",
    403: "The caller may not do this, or nothing of the tenant is served.",
    404: "There is no such thing among what the caller can see.",
    409: "The request conflicts with what is there.",
    410: "It was there, and is over.",
    413: "The body is too large.",
    422: "Something in the request is not valid; `errors` names each field.",
    429: "Too many requests; Retry-After says when to go on.",
    500: "Something failed on our side.",
    503: "A part is down and will come back; Retry-After says when to ask again.",
}

# FastAPI's own, for answers that it would give.
_UNUSED = ("HTTPValidationError", "ValidationError")


def describe_errors(app: FastAPI) -> None:
    """Make the OpenAPI document of this application tell which errors there are."""
    write = app.openapi

    def openapi() -> dict[str, Any]:
        is_new = app.openapi_schema is None
        document = write()
        if is_new:
            _complete(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def also(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of an endpoint: errors that only it can end with."""
    return {status: _response(status) for status in statuses}


def _complete(document: dict[str, Any]) -> None:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _UNUSED:
        schemas.pop(name, None)
    schemas[_NAME] = SCHEMA
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            for status in _statuses(path, method, operation):
                # What FastAPI says of 422 is not what this application answers.
                if str(status) not in responses or status == 422:  # noqa: PLR2004
                    responses[str(status)] = _response(status)


def _statuses(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[int]:
    yield 400
    if operation.get("security"):
        yield from (401, 403)
    if "{" in path:
        yield 404
    if method != "get":
        yield 409
    if "requestBody" in operation:
        yield 413
    if "requestBody" in operation or operation.get("parameters"):
        yield 422
    yield from (429, 500, 503)


def _response(status: int) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{_NAME}"}
    return {"description": _DESCRIPTIONS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
