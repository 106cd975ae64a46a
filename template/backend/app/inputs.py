"""Kinds of input that many features take, each bounded by what its column and JSON can hold."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

LARGEST_OBJECT = 10_000
"""Bytes of a JSON object, written without spaces."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_FREE = _CONTROL.pattern.replace("[", "[^")

TEXT: dict[str, Any] = {"pattern": f"^{_FREE}*$"}
"""For `json_schema_extra`: what `refuse_control_characters` lets in."""

# White space is what Unicode says it is, as Pydantic strips it.
_VISIBLE = r"[^\x00-\x20\x7f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_ON_A_LINE = r"[^\x00-\x1f\x7f\x85\u2028\u2029]"

LINE: dict[str, Any] = {"pattern": f"^{_FREE}*{_VISIBLE}{_FREE}*$"}
"""The same, with a visible character in it: what is left when spaces are stripped is not empty."""

ONE_LINE: dict[str, Any] = {"pattern": f"^{_ON_A_LINE}*{_VISIBLE}{_ON_A_LINE}*$"}
"""For `json_schema_extra`: what `refuse_line_breaks` lets in, with a visible character in it."""

_NUMBER = re.compile(r"\s*[-+]?[\d._]+(?:[eE][-+]?\d+)?\s*")
# An escape is one if an even number of backslashes is before it.
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def refuse_control_characters(value: str) -> str:
    """The value as it is.

    Raises:
        ValueError: it holds a character that no text holds, such as NUL.
    """
    if found := _CONTROL.search(value):
        raise ValueError(f"holds the control character U+{ord(found.group()):04X}")
    return value


def _refuse_seconds(value: object) -> object:
    """Pydantic reads a number as Unix time; RFC 3339, which the document names, has none."""
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise ValueError("write a time as in 2030-01-31T12:00:00Z")
    return value


def never_null(schema: dict[str, Any]) -> None:
    """For `json_schema_extra` of a model: None stands for what is left out, and cannot be sent."""
    for field in schema["properties"].values():
        choices = [choice for choice in field.pop("anyOf", []) if choice != {"type": "null"}]
        field.pop("default", None)
        field.update(choices[0] if len(choices) == 1 else {"anyOf": choices} if choices else {})


def refuse_line_breaks(value: str) -> str:
    """The value as it is.

    Raises:
        ValueError: it is more than one line, or holds a control character.
    """
    if any(ord(character) < ord(" ") for character in value) or len(value.splitlines()) > 1:
        raise ValueError("must be one line, without control characters")
    return refuse_control_characters(value)


def _refuse_unstorable(value: dict[str, Any]) -> dict[str, Any]:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (ValueError, RecursionError):
        raise ValueError("holds what JSON cannot, such as NaN or half a character") from None
    if size > LARGEST_OBJECT:
        raise ValueError(f"has {size} bytes; at most {LARGEST_OBJECT} fit")
    if _ESCAPED_NUL.search(text):
        raise ValueError("holds the control character U+0000")
    return value


ShortText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(refuse_control_characters),
    Field(json_schema_extra=LINE),
]
"""A line of text, not empty."""

Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
"""What Postgres calls an integer."""

Int53 = Annotated[int, Field(ge=1 - 2**53, le=2**53 - 1)]
"""A bigint that survives JavaScript: RFC 8259, section 6."""

Decimal14 = Annotated[Decimal, Field(max_digits=14, decimal_places=2, allow_inf_nan=False)]
"""What fits numeric(14, 2)."""

Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_refuse_seconds),
    Field(ge=datetime(1, 1, 2, tzinfo=UTC), le=datetime(9999, 12, 30, tzinfo=UTC)),
]
"""A time with its zone, in years that have four digits everywhere on earth."""

JSONObject = Annotated[dict[str, Any], AfterValidator(_refuse_unstorable)]
"""An object that jsonb can hold, of a bounded size."""
