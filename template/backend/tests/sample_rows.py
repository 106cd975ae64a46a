"""A row of any table that tenants own, made from what the catalog says of its columns."""

import secrets
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from app.choices import tenancy

_REQUIRED = """
select a.attname, format_type(a.atttypid, null) from pg_attribute a
where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
  and a.attnotnull and not a.atthasdef
"""


def is_of_tenants(admin: psycopg.Connection[Any], table: str) -> bool:
    """Whether there is such a table, and a tenant's rows of it have ids."""
    found = admin.execute(
        "select from pg_attribute where attrelid = to_regclass(%s) and attname = any(%s)",
        [table, ["id", tenancy.TENANT_COLUMN]],
    )
    return found.rowcount == 2


def make(admin: psycopg.Connection[Any], table: str, tenant_id: UUID, text: str) -> str:
    """Make a row in which every text that must be there is `text`, and return its id.

    Raises:
        psycopg.Error: a row of this table needs more than values of the right type.
        LookupError: a column is of a type of which no value is known here.
    """
    row: dict[str, object] = {
        name: _value(kind, text) for name, kind in admin.execute(_REQUIRED, [table])
    }
    row[tenancy.TENANT_COLUMN] = tenant_id
    made = admin.execute(
        sql.SQL("insert into {} ({}) values ({}) returning id::text").format(
            sql.Identifier(*table.split(".")),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join([sql.Placeholder()] * len(row)),
        ),
        list(row.values()),
    ).fetchone()
    assert made is not None
    return str(made[0])


def _value(kind: str, text: str) -> object:
    values: dict[str, object] = {
        "uuid": uuid4(),
        "text": text,
        "bytea": text.encode(),
        "jsonb": Jsonb({"text": text}),
        "boolean": True,
        "date": "2030-01-01",
        "timestamp with time zone": "2030-01-01T00:00:00Z",
        **dict.fromkeys(
            ("smallint", "integer", "bigint", "numeric"), 1 + secrets.randbelow(2**15 - 1)
        ),
    }
    if kind not in values:
        raise LookupError(f"say in tests/sample_rows.py what a value of the type {kind} is")
    return values[kind]
