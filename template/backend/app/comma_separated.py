"""Lists in settings: written with commas, as every other setting is a line of plain text."""

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator
from pydantic_settings import NoDecode


def _items(value: object) -> object:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list):
        return value
    return [str(item).strip() for item in items if str(item).strip()]


CommaSeparated: TypeAlias = Annotated[list[str], NoDecode, BeforeValidator(_items)]
"""A list of texts, none of them empty."""
