"""Where a tenant's rows are. The catalog says, so that a new table is never forgotten."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from app.choices import host, tenancy
from app.tenancy.operate import Connection

# As the doctor does, this looks at every table, and the machinery's column goes first.
_TABLES = """
select c.oid, n.nspname as schema, c.relname as relation, a.attname as tenant_column,
    has_table_privilege('app_operator', c.oid, 'select') as may_read,
    has_table_privilege('app_operator', c.oid, 'delete') as may_delete,
    n.nspname in ('public', %(home)s) as is_home,
    array(
        select k.confrelid from pg_constraint k where k.conrelid = c.oid and k.contype = 'f'
    ) as refers_to
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join lateral (
    select t.attname from pg_attribute t
    where t.attrelid = c.oid and not t.attisdropped and t.attname in ('tenant_id', %(column)s)
    order by t.attname = 'tenant_id' desc
    limit 1
) a on true
where c.relkind in ('r', 'p') and not c.relispartition
  and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and n.nspname !~ %(host)s
  and (n.nspname = %(home)s or n.nspname !~ %(homes)s)
  and (
      has_table_privilege('app_operator', c.oid, 'select, delete')
      or a.attname is not null and n.nspname not in ('app', 'audit')
  )
order by n.nspname = 'audit', not n.nspname in ('public', %(home)s), n.nspname, c.relname
"""


@dataclass(frozen=True, slots=True)
class OwnedTable:
    """A table in which tenants have rows, and what app_operator may do there."""

    oid: int
    schema: str
    relation: str
    tenant_column: str | None
    may_read: bool
    may_delete: bool
    is_home: bool
    refers_to: list[int]

    @property
    def name(self) -> str:
        """What people call it: `contacts`, or `billing.invoices` in a schema that is not theirs."""
        return self.relation if self.is_home else f"{self.schema}.{self.relation}"

    @property
    def id(self) -> sql.Identifier:
        """Its name in a statement."""
        return sql.Identifier(self.schema, self.relation)

    @property
    def is_machinery(self) -> bool:
        """Whether it carries work between processes, and nothing that a tenant would miss."""
        return self.schema == "app"

    @property
    def is_mine(self) -> sql.Composable:
        """The tenant `%(tenant)s`, beside the policy, in case somebody switched that off."""
        if self.tenant_column is None:
            return sql.SQL("true")
        return sql.SQL("{} = {}").format(
            sql.Identifier(self.tenant_column), sql.Placeholder("tenant")
        )


def tenant_tables(connection: Connection, tenant_id: UUID) -> list[OwnedTable]:
    """Every table in which this tenant may have rows.

    Raises:
        SystemExit: app_operator cannot reach one of them, so that nothing complete can be said.
    """
    names = {
        "column": tenancy.TENANT_COLUMN,
        "home": tenancy.schema_of(tenant_id),
        "homes": tenancy.HOMES,
        "host": host.SCHEMAS,
    }
    with connection.cursor(row_factory=class_row(OwnedTable)) as cursor:
        tables = cursor.execute(_TABLES, names).fetchall()
    missed = [table.name for table in tables if not table.may_read]
    if missed:
        raise SystemExit(
            f"app_operator cannot read {', '.join(missed)}, so an export would be incomplete and a "
            "deletion would leave rows behind. `uv run app doctor` says how to let it."
        )
    return tables


def deletion_order(tables: Iterable[OwnedTable]) -> Iterator[list[OwnedTable]]:
    """Tables in an order in which no foreign key is in the way.

    Each by itself, but for those that refer to each other in a circle, or to themselves: what is
    left then comes together, to be deleted by one statement.
    """
    remaining = list(tables)
    while remaining:
        targets = {target for table in remaining for target in table.refers_to}
        free = [table for table in remaining if table.oid not in targets]
        if not free:
            yield remaining
            return
        for table in free:
            yield [table]
        remaining = [table for table in remaining if table not in free]
