"""What the columns hold, in SQL, in Python and in JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from app.choices import tenancy
from app.orm import Base
from app.scaffold.names import Names, Refusal, check_name

MOST_FIELDS = 40
"""A function of Postgres, such as json_build_object, takes 100 arguments: two for each field."""

DEFAULT = ("name:text",)

# Every table has the first ones; `row_id` is a parameter of the statements.
_TAKEN = {"id", "created_at", "tenant_id", tenancy.TENANT_COLUMN, "row_id"}

# A field of such a name would hide the type from the fields behind it.
_TYPE_NAMES = {"bool", "date", "datetime", "dict", "int", "str"}


@dataclass(frozen=True)
class Kind:
    """A type of field.

    Args:
        sql: The column's type.
        python: The type of a value.
        accepts: The type of what a request may send.
        examples: Two values, as Python writes the JSON.
        wrong: Values that are refused, as Python writes the JSON.
        column: What SQLAlchemy must be told.
        check: What the database holds the values to.
    """

    sql: str
    python: str
    accepts: str
    examples: tuple[str, str]
    wrong: tuple[str, ...]
    column: str = ""
    check: str = ""


KINDS = {
    "text": Kind(
        "text",
        "str",
        "ShortText",
        ('"One"', '"Two"'),
        ('""', '" "', '"x" * 201', '"A\\u0000B"'),
        check="length({name}) between 1 and 200",
    ),
    "int": Kind("integer", "int", "Int32", ("1", "-2"), ("2**31", '"one"')),
    "bigint": Kind(
        "bigint", "int", "Int53", ("2**53 - 1", "2"), ("2**53", '"one"'), column="BigInteger"
    ),
    "decimal": Kind(
        "numeric(14, 2)",
        "Decimal",
        "Decimal14",
        ('"12.50"', '"0.99"'),
        ('"1.234"', '"1234567890123"', '"NaN"', '"ten"'),
        column="Numeric(14, 2)",
    ),
    "bool": Kind("boolean", "bool", "bool", ("True", "False"), ('"perhaps"',)),
    "date": Kind("date", "date", "date", ('"2030-01-31"', '"2031-12-01"'), ('"today"',)),
    "timestamp": Kind(
        "timestamptz",
        "datetime",
        "Moment",
        ('"2030-01-31T12:00:00+00:00"', '"2031-12-01T00:00:00.5+00:00"'),
        ('"2030-01-31T12:00:00"', '"0001-01-01T00:00:00+14:00"', '"now"'),
    ),
    "uuid": Kind(
        "uuid",
        "UUID",
        "UUID",
        ('"0195b1f4-0000-7000-8000-000000000001"', '"0195b1f4-0000-7000-8000-000000000002"'),
        ('"one"',),
    ),
    "json": Kind(
        "jsonb",
        "dict[str, Any]",
        "JSONObject",
        ('{"a": [1, None]}', "{}"),
        ("[]", '{"a": "\\u0000"}', '{"a": "x" * 10_000}'),
        column="JSONB(none_as_null=True)",
    ),
}


@dataclass(frozen=True)
class Field:
    """A column of the table, besides those that every table has."""

    name: str
    kind: Kind
    is_optional: bool

    @property
    def sql(self) -> str:
        """The column, as `create table` has it."""
        check = self.kind.check.format(name=self.name)
        parts = (
            self.name,
            self.kind.sql,
            "" if self.is_optional else "not null",
            f"check ({check})" if check else "",
        )
        return " ".join(part for part in parts if part)

    @property
    def mapped(self) -> str:
        """The column, as its model has it."""
        column = f" = mapped_column({self.kind.column})" if self.kind.column else ""
        return f"{self.name}: Mapped[{self.python}]{column}"

    @property
    def python(self) -> str:
        """The type of a value."""
        return f"{self.kind.python} | None" if self.is_optional else self.kind.python

    @property
    def new(self) -> str:
        """The field of a row that is added."""
        return f"{self.name}: {self.kind.accepts}" + (" | None = None" if self.is_optional else "")

    @property
    def changed(self) -> str:
        """The field of a change, which may be left out."""
        return f"{self.name}: {self.kind.accepts} | None = None"


def read_fields(texts: Sequence[str], names: Names) -> list[Field]:
    """What `--field` said; a name alone if it said nothing.

    Raises:
        Refusal: a field that cannot be.
    """
    fields = [_read(text, names) for text in texts or DEFAULT]
    seen: set[str] = set()
    for field in fields:
        if field.name in seen:
            raise Refusal(f"The field {field.name} is given twice: leave one out.")
        seen.add(field.name)
    if len(fields) > MOST_FIELDS:
        raise Refusal(
            f"{len(fields)} fields are too many for one JSON object that Postgres builds: give at "
            f"most {MOST_FIELDS}, and put what belongs together into a json field or a table."
        )
    return fields


def _read(text: str, names: Names) -> Field:
    name, _, type_name = text.partition(":")
    kind = KINDS.get(type_name.removesuffix("?"))
    if not type_name:
        raise Refusal(f'--field "{text}" says no type: write name:type, such as due_on:date.')
    if kind is None:
        raise Refusal(
            f'--field "{text}": there is no type "{type_name}". The types are {", ".join(KINDS)}, '
            "each with a ? behind it if a row may be without."
        )
    check_name("field", name)
    if name in _TAKEN:
        raise Refusal(f"The name {name} is already taken, in every table: choose another.")
    if name in _TYPE_NAMES:
        raise Refusal(
            f"{name} is the name of a type: say which one it is, such as {names.one}_{name}."
        )
    for owner, base in (("pydantic's", BaseModel), ("SQLAlchemy's", Base)):
        if hasattr(base, name) or name.startswith("model_"):
            raise Refusal(f"{name} means something to {owner} models: choose another name.")
    return Field(name, kind, type_name.endswith("?"))
