"""Every table, attacked through the application's own logins by whoever it does not belong to.

The tables come from the catalog, and the rows of the victim are made from the columns that the
catalog lists: a new table is attacked as soon as it exists.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.types.json import Jsonb

from app.choices import host, tenancy
from app.dev.choices import provider
from app.dev.servers import Connections
from tests.choices import tenants
from tests.pooler import log_in
from tests.running import Platform

Connection = psycopg.Connection[Any]
Row = dict[str, Any]

LOGINS = ("app_api", "app_worker")

# A worker relays the jobs of every tenant: these, and nothing else, it may see and change.
RELAYED = {("app.outbox", "app_worker")}

# Tables without a tenant column: how the rows of a tenant are told apart in each.
UNSCOPED = {
    "public.users": "id = %(user_id)s",
    "public.tenants": "id = %(id)s",
    **tenants.UNSCOPED,
}


@dataclass(frozen=True)
class Link:
    """A foreign key."""

    columns: list[str]
    target: str
    target_columns: list[str]


@dataclass(frozen=True)
class Table:
    """A table that a login of the application holds a privilege on, or that tenants own rows of.

    Where a tenant has tables of its own, `@` stands for its schema, and `of` fills it in.
    """

    name: str
    columns: dict[str, str]
    required: list[str]
    words: dict[str, str]
    uniques: list[list[str]]
    links: list[Link]
    is_trail: bool
    home: str = "@"

    def of(self, tenant: "Tenant") -> "Table":
        """The same table of this tenant."""
        return replace(self, home=tenants.schema_of(tenant.id))

    @property
    def id(self) -> sql.SQL:
        return sql.SQL(self.name.replace("@", self.home))  # as the catalog quotes it

    @property
    def tenant(self) -> str:
        """The column that says whose a row is: in the machinery's tables one, in others another."""
        return "tenant_id" if self.name.startswith(("app.", "audit.")) else tenancy.TENANT_COLUMN

    @property
    def has_tenant(self) -> bool:
        return self.tenant in self.columns

    @property
    def is_seeded(self) -> bool:
        """Whether the test makes rows here; the trail writes its own."""
        return self.has_tenant and not self.is_trail and self.name != "public.memberships"

    def owned_by(self, tenant: "Tenant") -> sql.Composed:
        """The condition that a row belongs to the tenant."""
        condition = f"{self.tenant} = %(id)s" if self.has_tenant else UNSCOPED[self.name]
        text = condition % {"id": f"'{tenant.id}'", "user_id": f"'{tenant.user_id}'"}
        return sql.Composed([sql.SQL(text)])


_CATALOG = """
select format('%%I.%%I', n.nspname, c.relname) as name,
    (select jsonb_object_agg(a.attname, format_type(a.atttypid, null)) from pg_attribute a
     where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    ) as columns,
    array(select a.attname::text from pg_attribute a
     where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
       and a.attnotnull and not a.atthasdef
    ) as required,
    array(select pg_get_constraintdef(k.oid) from pg_constraint k
     where k.conrelid = c.oid and k.contype = 'c') as checks,
    (select coalesce(jsonb_agg(key.names), '[]') from (
        select array(select a.attname from unnest(i.indkey::int2[]) with ordinality u (num, pos)
            join pg_attribute a on a.attrelid = c.oid and a.attnum = u.num order by u.pos) as names
        from pg_index i where i.indrelid = c.oid and i.indisunique) key
    ) as uniques,
    (select coalesce(jsonb_agg(jsonb_build_array(
        array(select a.attname from unnest(k.conkey) with ordinality u (num, pos)
            join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num order by u.pos),
        (select format('%%I.%%I', tn.nspname, tc.relname) from pg_class tc
            join pg_namespace tn on tn.oid = tc.relnamespace where tc.oid = k.confrelid),
        array(select a.attname from unnest(k.confkey) with ordinality u (num, pos)
            join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.num order by u.pos)
        )), '[]') from pg_constraint k where k.conrelid = c.oid and k.contype = 'f'
    ) as links,
    n.nspname = 'audit' as is_trail
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and (n.nspname !~ '^tenant_' or n.nspname = %(home)s)
  and (
      format('%%I.%%I', n.nspname, c.relname) = any(%(unscoped)s)
      or n.nspname !~ %(host)s and exists (
          select from pg_attribute a
          where a.attrelid = c.oid and a.attname in ('tenant_id', %(column)s)
      )
      or exists (
          select from unnest(array['app_api', 'app_worker']) login
          where has_any_column_privilege(login, c.oid, 'SELECT, INSERT, UPDATE')
             or has_table_privilege(login, c.oid, 'DELETE, TRUNCATE, TRIGGER, REFERENCES')
      )
  )
order by 1
"""


def read_tables(admin: Connection) -> list[Table]:
    home = tenants.schema_of(tenants.make(admin, uuid4().hex[:12]).id)
    known = {
        "unscoped": list(UNSCOPED),
        "column": tenancy.TENANT_COLUMN,
        "home": home,
        "host": host.SCHEMAS,
    }

    def named(name: str) -> str:
        return name if home == "public" else name.replace(f"{home}.", "@.")

    return [
        Table(
            named(name),
            columns,
            required,
            _words(checks),
            uniques,
            [Link(here, named(target), there) for here, target, there in links],
            is_trail,
        )
        for name, columns, required, checks, uniques, links, is_trail in admin.execute(
            _CATALOG, known
        )
    ]


def _words(checks: list[str]) -> dict[str, str]:
    """A word that the check of each column allows, for columns that allow only some."""
    pattern = re.compile(r"\((\w+) = ANY \(ARRAY\['([^']*)'")
    return {match[1]: match[2] for check in checks if (match := pattern.search(check))}


@dataclass
class Tenant:
    """A tenant with a row in every table, and the job that a worker runs for them."""

    made: tenants.Tenant
    job_id: UUID
    worker_id: UUID
    rows: dict[str, Row] = field(default_factory=dict)

    @property
    def id(self) -> UUID:
        return self.made.id

    @property
    def user_id(self) -> UUID:
        return self.made.user_id

    def job(self) -> str:
        """The claims of the worker that runs the tenant's job."""
        return json.dumps({"job_id": str(self.job_id), "worker_id": str(self.worker_id)})

    def key(self, **forged: str) -> str:
        """The claims of the key in the tenant's row of `app.api_keys`."""
        row = self.rows["app.api_keys"]
        claims = {
            "key_id": str(row["id"]),
            "key_hash": row["hash"].hex(),
            "tenant_id": str(self.id),
        }
        return json.dumps(claims | forged)


def _value(table: Table, column: str) -> object:
    if column in table.words:
        return table.words[column]
    kind = table.columns[column]
    values: dict[str, object] = {
        "uuid": uuid4(),
        "text": f"w-{uuid4().hex}",
        "text[]": [f"w-{uuid4().hex}"],
        "bytea": uuid4().bytes * 2,
        "jsonb": Jsonb({}),
        "boolean": True,
        "date": "2030-01-01",
        "timestamp with time zone": "2030-01-01T00:00:00Z",
    }
    if kind in values:
        return values[kind]
    if kind in {"integer", "bigint", "smallint", "numeric"}:
        return secrets.randbelow(10**9)
    pytest.fail(f"{table.name}.{column} is of type {kind}: say in _value what such a value is")


def _seed(admin: Connection, tables: list[Table], tenant: Tenant) -> None:
    waiting = [table for table in tables if table.is_seeded]
    while waiting:
        names = {table.name for table in waiting}
        ready = [t for t in waiting if not {link.target for link in t.links} & (names - {t.name})]
        assert ready, f"foreign keys in a circle: {names}"
        for table in ready:
            _seed_row(admin, table.of(tenant), tenant)
        waiting = [table for table in waiting if table not in ready]


def _seed_row(admin: Connection, table: Table, tenant: Tenant) -> None:
    row: Row = {column: _value(table, column) for column in table.required}
    for link in table.links:
        target = tenant.rows.get(link.target, {})
        pairs = zip(link.columns, link.target_columns, strict=True)
        row |= {here: target[there] for here, there in pairs if there in target}
    if "user_id" in table.columns:
        row["user_id"] = tenant.user_id
    row[table.tenant] = tenant.id
    returned = admin.execute(
        sql.SQL("insert into {} ({}) values ({}) returning to_jsonb({})").format(
            table.id, _names(row), _placeholders(row), sql.SQL(table.name.split(".")[1])
        ),
        list(row.values()),
    ).fetchone()
    assert returned is not None
    full: Row = returned[0]
    tenant.rows[table.name] = {name: row.get(name, full[name]) for name in table.columns}


def _names(columns: Any) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column) for column in columns)


def _placeholders(columns: Any) -> sql.Composed:
    return sql.SQL(", ").join(sql.Placeholder() for _ in columns)


def _make_tenant(admin: Connection, tables: list[Table]) -> Tenant:
    tenant = Tenant(tenants.make(admin, uuid4().hex[:12]), uuid4(), uuid4())
    _seed(admin, tables, tenant)
    tenant.job_id = tenant.rows["app.outbox"]["id"]
    admin.execute(
        "update app.outbox set worker_id = %s, started_at = now() where id = %s",
        (tenant.worker_id, tenant.job_id),
    )
    return tenant


@pytest.fixture(scope="module")
def database(new_database: Callable[..., Connections]) -> Connections:
    """A database of these tests' own, in which no worker runs."""
    return new_database()


@pytest.fixture(scope="module")
def admin(database: Connections) -> Iterator[Connection]:
    assert database.admin is not None
    with psycopg.connect(database.admin, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def tables(admin: Connection) -> list[Table]:
    return read_tables(admin)


@pytest.fixture(scope="module")
def attacker(admin: Connection, tables: list[Table]) -> Tenant:
    """One for all attacks, as nothing is done to them."""
    return _make_tenant(admin, tables)


@pytest.fixture
def victim(admin: Connection, tables: list[Table]) -> Tenant:
    return _make_tenant(admin, tables)


# --- Who attacks, and with what context -----------------------------------------------------------


def suspend(admin: Connection, tenant: Tenant, state: str = "suspended") -> None:
    admin.execute("update public.tenants set state = %s where id = %s", [state, tenant.id])


@dataclass(frozen=True)
class Intruder:
    """Somebody on a login of the application who must not reach the victim's rows."""

    name: str
    login: str

    @contextmanager
    def transaction(
        self, url: str, admin: Connection, attacker: Tenant, victim: Tenant
    ) -> Iterator[Connection]:
        """A transaction in the intruder's context. It is rolled back."""
        with log_in(url, autocommit=True) as connection:
            if self.name in victim.made.outsiders:
                self._enter(connection, victim.made.outsiders[self.name])
            else:
                method = getattr(self, f"_{self.name.replace(' ', '_')}")
                method(connection, admin, attacker, victim)
            if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                connection.execute("begin")
            yield connection
            connection.rollback()

    def _enter(self, connection: Connection, claims: str) -> None:
        connection.execute("begin")
        connection.execute(f"select {tenancy.ENTER}(%s, 'attack')", [claims])

    def _claims_of(self, tenant: Tenant) -> str:
        if self.login == "app_api":
            return tenant.made.claims()
        return tenant.job()

    def _member_of_another_tenant(
        self, connection: Connection, _: Connection, attacker: Tenant, __: Tenant
    ) -> None:
        self._enter(connection, self._claims_of(attacker))

    def _forger_of_the_setting(
        self, connection: Connection, _: Connection, attacker: Tenant, victim: Tenant
    ) -> None:
        self._enter(connection, self._claims_of(attacker))
        connection.execute("select set_config('app.tenant_id', %s, true)", [str(victim.id)])

    def _claimant_of_another_tenant(
        self, connection: Connection, _: Connection, attacker: Tenant, victim: Tenant
    ) -> None:
        self._enter(connection, victim.made.claims(attacker.made.subject))

    def _stranger(self, connection: Connection, _: Connection, __: Tenant, victim: Tenant) -> None:
        self._enter(connection, victim.made.claims(provider.subject("stranger")))

    def _member_of_a_suspended_tenant(
        self, connection: Connection, admin: Connection, _: Tenant, victim: Tenant
    ) -> None:
        suspend(admin, victim)
        self._enter(connection, self.claims_of_insider(victim))

    def _member_of_a_deleted_tenant(
        self, connection: Connection, admin: Connection, _: Tenant, victim: Tenant
    ) -> None:
        suspend(admin, victim, "deleted")
        self._enter(connection, self.claims_of_insider(victim))

    def claims_of_insider(self, tenant: Tenant) -> str:
        if self.login == "app_api":
            return tenant.made.claims(tenant.made.insider)
        return tenant.job()

    def _holder_of_another_tenants_key(
        self, connection: Connection, _: Connection, attacker: Tenant, __: Tenant
    ) -> None:
        self._enter(connection, attacker.key())

    def _holder_of_a_key_who_names_another_tenant(
        self, connection: Connection, _: Connection, attacker: Tenant, victim: Tenant
    ) -> None:
        self._enter(connection, attacker.key(tenant_id=str(victim.id)))

    def _holder_of_the_id_of_a_key(
        self, connection: Connection, _: Connection, attacker: Tenant, victim: Tenant
    ) -> None:
        theirs = json.loads(attacker.key())["key_hash"]
        self._enter(connection, victim.key(key_hash=theirs))

    def _holder_of_a_revoked_key(
        self, connection: Connection, admin: Connection, _: Tenant, victim: Tenant
    ) -> None:
        self._end_key(admin, victim, "revoked_at")
        self._enter(connection, victim.key())

    def _holder_of_an_expired_key(
        self, connection: Connection, admin: Connection, _: Tenant, victim: Tenant
    ) -> None:
        self._end_key(admin, victim, "expires_at")
        self._enter(connection, victim.key())

    def _holder_of_a_key_of_a_suspended_tenant(
        self, connection: Connection, admin: Connection, _: Tenant, victim: Tenant
    ) -> None:
        suspend(admin, victim)
        self._enter(connection, victim.key())

    def _end_key(self, admin: Connection, tenant: Tenant, column: str) -> None:
        query = sql.SQL("update app.api_keys set {} = now() where tenant_id = %s")
        ended = admin.execute(query.format(sql.Identifier(column)), [tenant.id])
        assert ended.rowcount == 1

    def _worker_with_a_key(
        self, connection: Connection, _: Connection, __: Tenant, victim: Tenant
    ) -> None:
        self._enter(connection, victim.key())

    def _nobody(self, connection: Connection, *_: object) -> None:
        connection.execute("begin")

    def _nobody_with_a_setting(
        self, connection: Connection, _: Connection, __: Tenant, victim: Tenant
    ) -> None:
        connection.execute("begin")
        connection.execute("select set_config('app.tenant_id', %s, true)", [str(victim.id)])

    def _next_on_the_same_connection(
        self, connection: Connection, _: Connection, __: Tenant, victim: Tenant
    ) -> None:
        self._enter(connection, self._claims_of(victim))
        seen = connection.execute("select app.current_tenant_id()").fetchone()
        assert seen == (victim.id,)
        connection.execute("commit")

    def _next_in_autocommit(
        self, connection: Connection, _: Connection, __: Tenant, victim: Tenant
    ) -> None:
        connection.execute(f"select {tenancy.ENTER}(%s, 'attack')", [self._claims_of(victim)])

    def _worker_of_a_finished_job(
        self, connection: Connection, admin: Connection, _: Tenant, victim: Tenant
    ) -> None:
        admin.execute("delete from app.outbox where id = %s", [victim.job_id])
        self._enter(connection, victim.job())

    def _worker_of_a_dead_job(
        self, connection: Connection, admin: Connection, _: Tenant, victim: Tenant
    ) -> None:
        admin.execute(
            "update app.outbox set failed_at = now(), worker_id = null, started_at = null"
            " where id = %s",
            [victim.job_id],
        )
        self._enter(connection, victim.job())

    def _worker_that_lost_its_job(
        self, connection: Connection, admin: Connection, _: Tenant, victim: Tenant
    ) -> None:
        admin.execute(
            "update app.outbox set worker_id = %s where id = %s", [uuid4(), victim.job_id]
        )
        self._enter(connection, victim.job())

    def _api_with_a_job(
        self, connection: Connection, _: Connection, __: Tenant, victim: Tenant
    ) -> None:
        self._enter(connection, victim.job())


BOTH = (
    "member of another tenant",
    "forger of the setting",
    "claimant of another tenant",
    "stranger",
    "member of a suspended tenant",
    "member of a deleted tenant",
    *tenants.OUTSIDERS,
    "nobody",
    "nobody with a setting",
    "next on the same connection",
    "next in autocommit",
)
INTRUDERS = (
    *(Intruder(name, login) for login in LOGINS for name in BOTH),
    Intruder("worker of a finished job", "app_worker"),
    Intruder("worker of a dead job", "app_worker"),
    Intruder("worker that lost its job", "app_worker"),
    Intruder("api with a job", "app_api"),
    Intruder("holder of another tenants key", "app_api"),
    Intruder("holder of a key who names another tenant", "app_api"),
    Intruder("holder of the id of a key", "app_api"),
    Intruder("holder of a revoked key", "app_api"),
    Intruder("holder of an expired key", "app_api"),
    Intruder("holder of a key of a suspended tenant", "app_api"),
    Intruder("worker with a key", "app_worker"),
)


# --- What they try --------------------------------------------------------------------------------


DENIED = errors.InsufficientPrivilege


@contextmanager
def attempt(connection: Connection) -> Iterator[None]:
    """Undo what an attempt did, so that the next one finds the same transaction."""
    connection.execute("savepoint attempt")
    yield
    connection.execute("rollback to savepoint attempt")


def _count(connection: Connection, query: sql.Composed, *parameters: object) -> int:
    """How many rows a statement reached; none if it is not allowed at all."""
    try:
        return connection.execute(query, parameters).rowcount
    except DENIED:
        return 0


def check_reads(connection: Connection, table: Table, victim: Tenant) -> None:
    mine = table.owned_by(victim)
    assert _count(connection, sql.SQL("select from {} where {}").format(table.id, mine)) == 0
    connection.execute("rollback to savepoint attempt")
    rows: list[str] = []
    try:
        with connection.cursor().copy(
            sql.SQL("copy (select to_jsonb(t) from {} t) to stdout").format(table.id)
        ) as copied:
            rows = [bytes(block).decode() for block in copied]
    except DENIED:
        pass
    text = "".join(rows)
    for secret in victim.made.words:
        assert secret not in text, f"COPY of {table.name} shows another tenant's rows"


def check_writes(connection: Connection, table: Table, victim: Tenant) -> None:
    mine = table.owned_by(victim)
    column = sql.Identifier(table.tenant if table.has_tenant else "id")
    statements = {
        "update": sql.SQL("update {t} set {c} = {c} where {mine}"),
        "delete": sql.SQL("delete from {t} where {mine}"),
    }
    for verb, statement in statements.items():
        reached = _count(connection, statement.format(t=table.id, c=column, mine=mine))
        assert reached == 0, f"{verb} reached {table.name}"
        connection.execute("rollback to savepoint attempt")
    for truncate in (sql.SQL("truncate {}"), sql.SQL("truncate {} cascade")):
        with pytest.raises(DENIED):
            connection.execute(truncate.format(table.id))
        connection.execute("rollback to savepoint attempt")


def check_inserts(connection: Connection, table: Table, victim: Tenant) -> None:
    """A row of the victim's own, and one left to the column's default."""
    row = victim.rows.get(table.name)
    if row is None:
        with pytest.raises(DENIED):
            connection.execute(sql.SQL("insert into {} default values").format(table.id))
        return
    fresh = row | {name: uuid4() for name in ("id", "hash") if name in row}
    if isinstance(row.get("hash"), bytes):
        fresh["hash"] = uuid4().bytes * 2
    with pytest.raises(DENIED):
        _insert(connection, table, fresh)
    connection.execute("rollback to savepoint attempt")
    with (
        pytest.raises((DENIED, errors.FeatureNotSupported)),
        connection.cursor().copy(
            sql.SQL("copy {} ({}) from stdin").format(table.id, _names([table.tenant]))
        ) as copy,
    ):
        copy.write_row([victim.id])


def _insert(connection: Connection, table: Table, row: Row) -> int:
    values = [
        Jsonb(value) if table.columns[name] == "jsonb" and isinstance(value, dict | list) else value
        for name, value in row.items()
    ]
    return connection.execute(
        sql.SQL("insert into {} ({}) values ({}) on conflict do nothing").format(
            table.id, _names(row), _placeholders(row)
        ),
        values,
    ).rowcount


def check_probes(connection: Connection, table: Table, attacker: Tenant, victim: Tenant) -> None:
    """What the victim's values do in a row of the attacker's must not tell that they exist."""
    theirs, ours = victim.rows[table.name], attacker.rows[table.name]
    # A foreign key of the attacker's row points at the attacker's rows; the rest is the victim's.
    kept = {table.tenant, *(name for link in table.links for name in link.columns)}
    kept |= {"user_id", "id"} if table.name == "app.outbox" else {"user_id"}
    row = theirs | {name: ours[name] for name in kept if name in ours}
    for unique in table.uniques:
        if table.tenant not in unique and table.name.startswith("app."):
            # Ids and hashes of the machinery are random: nobody can guess one to try it.
            row |= {name: _value(table, name) for name in unique}
        elif not set(unique) - kept:
            return
    try:
        inserted = _insert(connection, table, row)
    except DENIED:
        return
    assert inserted == 1, f"{table.name} tells that a value exists at another tenant"


def check_links(connection: Connection, table: Table, attacker: Tenant, victim: Tenant) -> None:
    """A row of the attacker's cannot point at a row of the victim's."""
    for link in table.links:
        target = victim.rows.get(link.target)
        if target is None:
            continue
        row = dict(attacker.rows[table.name])
        for name in {name for unique in table.uniques for name in unique} - {table.tenant}:
            row[name] = _value(table, name)
        pairs = dict(zip(link.columns, link.target_columns, strict=True))
        row |= {here: target[there] for here, there in pairs.items() if here != table.tenant}
        with pytest.raises((DENIED, errors.ForeignKeyViolation)):
            _insert(connection, table, row)
        connection.execute("rollback to savepoint attempt")


def check_moves(connection: Connection, table: Table, attacker: Tenant, victim: Tenant) -> None:
    """The attacker's own row cannot be given to the victim."""
    with pytest.raises(DENIED):
        connection.execute(
            sql.SQL("update {table} set {mine} = {victim} where {mine} = {attacker}").format(
                table=table.id,
                mine=sql.Identifier(table.tenant),
                victim=sql.Literal(victim.id),
                attacker=sql.Literal(attacker.id),
            )
        )


# --- The tests ------------------------------------------------------------------------------------


@pytest.fixture
def urls(database: Connections) -> dict[str, str]:
    return {"app_api": database.app_api, "app_worker": database.app_worker}


def _reachable(tables: list[Table], intruder: Intruder) -> list[Table]:
    return [table for table in tables if (table.name, intruder.login) not in RELAYED]


def _state(admin: Connection, tables: list[Table], victim: Tenant) -> dict[str, str]:
    """Everything that the victim has, in every table."""
    return {
        table.name: admin.execute(
            sql.SQL(
                "select coalesce(jsonb_agg(to_jsonb(t) order by to_jsonb(t)::text), '[]')::text"
                " from {} t where {}"
            ).format(table.of(victim).id, table.owned_by(victim))
        ).fetchall()[0][0]
        for table in tables
    }


def test_every_table_is_known(tables: list[Table]) -> None:
    strangers = [t.name for t in tables if not t.has_tenant and t.name not in UNSCOPED]
    assert strangers == [], "no tenant column: say in UNSCOPED which rows of it belong to a tenant"
    names = {table.name.split(".")[1] for table in tables}
    assert {"contacts", "imports", "import_rejections", "outbox", "events"} <= names


def test_every_table_holds_rows_of_both(
    admin: Connection, tables: list[Table], attacker: Tenant, victim: Tenant
) -> None:
    empty = [
        table.name
        for table in tables
        for tenant in (attacker, victim)
        if not (table.is_trail and table.name != "audit.events")
        and admin.execute(
            sql.SQL("select from {} where {}").format(table.of(tenant).id, table.owned_by(tenant))
        ).rowcount
        == 0
    ]
    assert empty == []


@pytest.mark.parametrize("login", LOGINS)
def test_a_member_reaches_their_own(
    admin: Connection, urls: dict[str, str], tables: list[Table], victim: Tenant, login: str
) -> None:
    """Otherwise every attack would fail for the wrong reason."""
    intruder = Intruder("member of another tenant", login)
    with intruder.transaction(urls[login], admin, victim, victim) as connection:
        for name in ("contacts", "imports", "import_rejections"):
            (table,) = [t.of(victim) for t in tables if t.name.endswith(f".{name}")]
            query = sql.SQL("select from {} where {}").format(table.id, table.owned_by(victim))
            assert connection.execute(query).rowcount == 1
        assert connection.execute("update contacts set name = 'New'").rowcount == 1


def test_a_key_opens_its_own_tenant(
    urls: dict[str, str], tables: list[Table], victim: Tenant
) -> None:
    """Otherwise every attack with a key would fail for the wrong reason."""
    (contacts,) = [table.of(victim) for table in tables if table.name.endswith(".contacts")]
    with log_in(urls["app_api"]) as connection:
        connection.execute(f"select {tenancy.ENTER}(%s, 'x')".encode(), [victim.key()])
        query = sql.SQL("select from {} where {}").format(contacts.id, contacts.owned_by(victim))
        assert connection.execute(query).rowcount == 1


def test_a_key_is_revoked_by_people_only_and_does_not_come_back(
    urls: dict[str, str], victim: Tenant
) -> None:
    revoke = "update app.api_keys set revoked_at = now()"
    for claims, revoked in ((victim.key(), 0), (victim.made.claims(), 1)):
        with log_in(urls["app_api"]) as connection:
            connection.execute(f"select {tenancy.ENTER}(%s, 'x')".encode(), [claims])
            assert connection.execute(revoke).rowcount == revoked
    with log_in(urls["app_api"]) as connection:
        connection.execute(f"select {tenancy.ENTER}(%s, 'x')".encode(), [victim.made.claims()])
        with pytest.raises(DENIED):
            connection.execute("update app.api_keys set revoked_at = null")


def test_a_member_is_let_in_again_with_their_tenant(
    admin: Connection, urls: dict[str, str], tables: list[Table], victim: Tenant
) -> None:
    """Being suspended, and no other fault, is what keeps an intruder out."""
    seen = []
    (contacts,) = [table.of(victim) for table in tables if table.name.endswith(".contacts")]
    for state in ("active", "suspended", "deleted", "active"):
        suspend(admin, victim, state)
        for login in LOGINS:
            claims = Intruder("insider", login).claims_of_insider(victim)
            with log_in(urls[login]) as connection:
                entered = connection.execute(
                    f"select obstacle from {tenancy.ENTER}(%s, 'x')".encode(), [claims]
                )
                obstacle = entered.fetchone()
                count = _count(connection, sql.SQL("select from {}").format(contacts.id))
                connection.rollback()
            assert obstacle is not None
            seen.append((state, login, obstacle[0], count))
    assert seen == [
        ("active", "app_api", None, 1),
        ("active", "app_worker", None, 1),
        ("suspended", "app_api", "suspended", 0),
        ("suspended", "app_worker", None, 0),
        ("deleted", "app_api", "deleted", 0),
        ("deleted", "app_worker", None, 0),
        ("active", "app_api", None, 1),
        ("active", "app_worker", None, 1),
    ]


@pytest.mark.parametrize("intruder", INTRUDERS, ids=lambda i: f"{i.name} through {i.login}")
def test_an_intruder_reaches_no_row(
    admin: Connection,
    urls: dict[str, str],
    tables: list[Table],
    attacker: Tenant,
    victim: Tenant,
    intruder: Intruder,
) -> None:
    url = urls[intruder.login]
    with intruder.transaction(url, admin, attacker, victim) as connection:
        before = _state(admin, tables, victim)
        for table in _reachable(tables, intruder):
            for check in (check_reads, check_writes):
                with attempt(connection):
                    check(connection, table.of(victim), victim)
            if table.has_tenant:
                with attempt(connection):
                    check_inserts(connection, table.of(victim), victim)
        connection.execute("commit")
    assert _state(admin, tables, victim) == before


@pytest.mark.parametrize("login", LOGINS)
def test_a_member_can_neither_probe_nor_link_nor_give_away(
    admin: Connection,
    urls: dict[str, str],
    tables: list[Table],
    attacker: Tenant,
    victim: Tenant,
    login: str,
) -> None:
    intruder = Intruder("member of another tenant", login)
    with intruder.transaction(urls[login], admin, attacker, victim) as connection:
        for table in _reachable(tables, intruder):
            if not table.is_seeded:
                continue
            for check in (check_probes, check_links, check_moves):
                with attempt(connection):
                    check(connection, table.of(attacker), attacker, victim)


def test_a_worker_cannot_take_a_job_to_another_tenant(
    admin: Connection, urls: dict[str, str], attacker: Tenant, victim: Tenant
) -> None:
    """A job is the proof of its tenant: the worker may note how it goes, not whose it is."""
    intruder = Intruder("member of another tenant", "app_worker")
    for column, value in (("tenant_id", victim.id), ("user_id", victim.user_id)):
        with (
            intruder.transaction(urls["app_worker"], admin, attacker, victim) as connection,
            pytest.raises(DENIED),
        ):
            connection.execute(
                sql.SQL("update app.outbox set {} = %s where id = %s").format(
                    sql.Identifier(column)
                ),
                [value, attacker.job_id],
            )


@pytest.mark.parametrize("login", LOGINS)
def test_definer_functions_give_nothing_away(
    admin: Connection, urls: dict[str, str], attacker: Tenant, victim: Tenant, login: str
) -> None:
    """Functions that look past the policies answer a member about themselves only."""
    intruder = Intruder("member of another tenant", login)
    with intruder.transaction(urls[login], admin, attacker, victim) as connection:
        functions = connection.execute(
            "select p.oid::regprocedure::text from pg_proc p where p.prosecdef and p.pronargs = 0"
            " and p.prorettype <> 'trigger'::regtype"
            " and has_function_privilege(p.oid, 'execute')"
        ).fetchall()
        assert functions
        for (function,) in functions:
            answer = connection.execute(f"select * from {function}".encode()).fetchall()
            for secret in (str(victim.user_id), *victim.made.words):
                assert secret not in str(answer)


def test_a_context_that_outlives_its_transaction_is_noticed(
    platform: Platform,
    admin: Connection,
    tables: list[Table],
    attacker: Tenant,
    victim: Tenant,
) -> None:
    """The suite above is no good unless it fails when the context is not reset."""
    # Past any pooler, which would keep the session in which it was left.
    urls = {"app_api": platform.direct("app_api", admin.info.dbname)}
    intruder = Intruder("next on the same connection", "app_api")
    with (
        changed(admin, "app.enter(text, text)", ", true)", ", false)"),
        pytest.raises(AssertionError),
    ):
        test_an_intruder_reaches_no_row(admin, urls, tables, attacker, victim, intruder)
    test_an_intruder_reaches_no_row(admin, urls, tables, attacker, victim, intruder)


@contextmanager
def changed(admin: Connection, function: str, before: str, after: str) -> Iterator[None]:
    """A function of the database with other words in it, for a while."""
    found = admin.execute("select pg_get_functiondef(%s::regprocedure)", [function]).fetchone()
    assert found is not None
    assert before in found[0]
    admin.execute(found[0].replace(before, after).encode())
    try:
        yield
    finally:
        admin.execute(found[0].encode())
