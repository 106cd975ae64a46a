"""What the kinds of input let in, and what they refuse."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from app import inputs


def read(kind: Any, text: str) -> Any:
    """What a request says, as FastAPI reads it."""
    return TypeAdapter(kind).validate_python(json.loads(text))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (inputs.ShortText, '""'),
        (inputs.ShortText, '"\\t "'),
        (inputs.ShortText, '"A\\u0000B"'),
        (inputs.ShortText, '"\\ud800"'),
        (inputs.ShortText, f'"{"x" * 201}"'),
        (inputs.Int32, "2147483648"),
        (inputs.Int32, "-2147483649"),
        (inputs.Int53, "9007199254740992"),
        (inputs.Int53, "-9007199254740992"),
        (inputs.Decimal14, '"1.234"'),
        (inputs.Decimal14, '"1234567890123"'),
        (inputs.Decimal14, '"Infinity"'),
        (inputs.Moment, '"2030-01-31T12:00:00"'),
        (inputs.Moment, '"0.0"'),
        (inputs.Moment, '"1700000000"'),
        (inputs.Moment, "1700000000"),
        (inputs.Moment, '"0001-01-01T00:00:00+14:00"'),
        (inputs.Moment, '"9999-12-31T23:59:59-14:00"'),
        (inputs.JSONObject, "[]"),
        (inputs.JSONObject, '{"a": NaN}'),
        (inputs.JSONObject, '{"a": 1e999}'),
        (inputs.JSONObject, '{"a": "\\ud800"}'),
        (inputs.JSONObject, '{"a": "\\u0000"}'),
        (inputs.JSONObject, '{"\\u0000": 1}'),
        (inputs.JSONObject, '{"a": "\\\\\\u0000"}'),
        (inputs.JSONObject, json.dumps({"a": "é" * (inputs.LARGEST_OBJECT // 2)})),
    ],
)
def test_what_a_column_cannot_hold_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError):
        read(kind, text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (inputs.ShortText, f'"{"é" * 200}"'),
        (inputs.Int32, "-2147483648"),
        (inputs.Int53, "9007199254740991"),
        (inputs.Decimal14, '"-999999999999.99"'),
        (inputs.Moment, '"2030-01-31T12:00:00+02:00"'),
        (inputs.JSONObject, '{"a": "\\\\u0000"}'),
        (inputs.JSONObject, json.dumps({"a": "x" * (inputs.LARGEST_OBJECT - 8)})),
    ],
)
def test_what_it_can_hold_is_taken(kind: Any, text: str) -> None:
    read(kind, text)


def test_text_loses_the_spaces_around_it() -> None:
    assert read(inputs.ShortText, '" Ann Lee "') == "Ann Lee"


def test_nesting_is_bounded() -> None:
    deep: dict[str, Any] = {}
    for _ in range(2000):
        deep = {"a": deep}
    with pytest.raises(ValidationError):
        TypeAdapter(inputs.JSONObject).validate_python(deep)
