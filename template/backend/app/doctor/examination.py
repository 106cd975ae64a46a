"""One look at the catalog of a database: every check, and what each of them found."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from app.choices import host, tenancy
from app.doctor import isolation, operator, privileges, trail
from app.doctor.expressions import calls, calls_per_row, requires_equality
from app.doctor.relations import RELATIONS

# What the policies compare with: in the product's tables, and in those of the machinery.
TENANT_FUNCTIONS = {
    tenancy.TENANT_COLUMN: tenancy.TENANT_FUNCTION,
    "tenant_id": "app.current_tenant_id",
}
CONTEXT_FUNCTIONS = frozenset({*TENANT_FUNCTIONS.values(), "app.current_user_id"})

# Acts for an operator on one tenant, which a setting names: no policy for anybody else may ask it.
OPERATOR = "app_operator"
OPERATED = "app.operated_tenant_id"

# No one can log in as these. They own the functions that must see past a policy.
HELPER_ROLES = frozenset({"app_definer", "app_audit"})


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, where, and the SQL or the step that cures it."""

    object: str
    problem: str
    cure: str
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One rule. `why` says what goes wrong without it."""

    name: str
    why: str
    find: Callable[[psycopg.Connection[Any]], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Examination:
    """What one check found."""

    check: Check
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Policy:
    name: str
    table: str
    schema: str
    relation: str
    roles: list[str]
    command: str
    is_permissive: bool
    using: str | None
    with_check: str | None
    tenant_column: str | None

    @property
    def title(self) -> str:
        return f"{self.table}, policy {self.name}"

    @property
    def expressions(self) -> list[str]:
        return [text for text in (self.using, self.with_check) if text is not None]

    @property
    def is_operators(self) -> bool:
        return self.roles == [OPERATOR]

    @property
    def tenant_function(self) -> str:
        """What a row's tenant must equal."""
        column = self.tenant_column or tenancy.TENANT_COLUMN
        return OPERATED if self.is_operators else TENANT_FUNCTIONS[column]

    @property
    def is_mine(self) -> str:
        """The comparison that ties a row of this table to the tenant."""
        column = self.tenant_column or tenancy.TENANT_COLUMN
        return f"({column} = (select {self.tenant_function}()))"

    def is_bound(self, expression: str) -> bool:
        """Whether an expression of this policy lets only one tenant's rows through."""
        if self.tenant_column:
            return requires_equality(expression, self.tenant_column, self.tenant_function)
        called = calls(expression)
        if self.is_operators:
            return OPERATED in called
        return OPERATED not in called and bool(called & CONTEXT_FUNCTIONS)

    @property
    def may_see_every_tenant(self) -> bool:
        """The helpers always; the worker only what carries jobs, in schema app, which it relays
        for every tenant.
        """  # noqa: D205
        roles = set(self.roles)
        return roles <= HELPER_ROLES or (
            self.schema == "app" and roles <= HELPER_ROLES | {"app_worker"}
        )


def examine(connection: psycopg.Connection[Any]) -> list[Examination]:
    """Run every check in the connection's current transaction. Changes nothing.

    Any login may: the catalogs are readable by all.
    """
    with connection.transaction(force_rollback=True):
        # Names come back with their schema, and times in one time zone.
        connection.execute("set local search_path = ''")
        connection.execute("set local timezone = 'UTC'")
        return [Examination(check, tuple(check.find(connection))) for check in CHECKS]


def _query(statement: str) -> Callable[[psycopg.Connection[Any]], Iterator[Finding]]:
    def find(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
        with connection.cursor(row_factory=class_row(Finding)) as cursor:
            yield from cursor.execute((RELATIONS + statement).encode())

    return find


def _policies(connection: psycopg.Connection[Any]) -> list[_Policy]:
    with connection.cursor(row_factory=class_row(_Policy)) as cursor:
        cursor.execute((RELATIONS + isolation.POLICIES).encode())
        return cursor.fetchall()


def _policy_roles(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    for policy in _policies(connection):
        if "public" in policy.roles:
            yield Finding(
                policy.title,
                "names no role, so it binds PUBLIC: the functions that prove a membership would "
                "meet it and call themselves without end",
                f"alter policy {policy.name} on {policy.table} to app_api, app_worker;",
            )


def _policy_clauses(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    clauses = {
        "SELECT": (True, False),
        "INSERT": (False, True),
        "UPDATE": (True, True),
        "DELETE": (True, False),
    }
    for policy in _policies(connection):
        if policy.command not in clauses:
            yield Finding(
                policy.title,
                "is FOR ALL: a command that is granted later would be let through unseen",
                f"drop policy {policy.name} on {policy.table}; then create one for each command",
            )
            continue
        using, with_check = clauses[policy.command]
        if using and policy.using is None:
            yield Finding(
                policy.title,
                f"is for {policy.command} and has no USING",
                f"alter policy {policy.name} on {policy.table} using {policy.is_mine};",
            )
        if with_check and policy.with_check is None:
            yield Finding(
                policy.title,
                f"is for {policy.command} and has no WITH CHECK of its own",
                f"alter policy {policy.name} on {policy.table} with check {policy.is_mine};",
            )


def _policy_tenant(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    for policy in _policies(connection):
        if policy.may_see_every_tenant or not policy.is_permissive:
            continue
        for clause, expression in (("USING", policy.using), ("WITH CHECK", policy.with_check)):
            if expression is None:
                continue
            if not policy.is_bound(expression):
                yield Finding(
                    policy.title,
                    f"does not tie its {clause} to the tenant: {_short(expression)}",
                    f"alter policy {policy.name} on {policy.table} {clause.lower()} "
                    f"{policy.is_mine};",
                )


def _policy_initplan(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    for policy in _policies(connection):
        names = {
            name
            for expression in policy.expressions
            for name in calls_per_row(expression, policy.relation)
        }
        for name in sorted(names):
            yield Finding(
                policy.title,
                f"calls {name}() for every row, which is thousands of times slower",
                f"alter policy {policy.name} on {policy.table}: write (select {name}(…)), with no "
                "column of the table among its arguments",
            )


def _short(expression: str) -> str:
    text = " ".join(expression.split())
    return text if len(text) <= 120 else f"{text[:120]}…"  # noqa: PLR2004


CHECKS = (
    Check(
        "row-security",
        "Without row level security a grant shows every tenant's rows.",
        _query(isolation.ROW_SECURITY),
    ),
    Check(
        "force-row-security",
        "Without FORCE the owner of a table, and a function that belongs to it, sees every tenant.",
        _query(isolation.FORCE_ROW_SECURITY),
    ),
    Check(
        "policy-coverage",
        "A command that is granted but has no policy finds nothing, or fails.",
        _query(isolation.POLICY_COVERAGE),
    ),
    Check(
        "policy-roles",
        "A policy that names no role also binds the functions that policies call.",
        _policy_roles,
    ),
    Check(
        "policy-clauses",
        "USING decides which rows are seen, WITH CHECK which may be written.",
        _policy_clauses,
    ),
    Check(
        "policy-tenant",
        "A policy that does not ask who the tenant is lets all of them in.",
        _policy_tenant,
    ),
    Check(
        "policy-initplan",
        "Inside ( select … ) a function runs once for a statement, outside once for a row.",
        _policy_initplan,
    ),
    Check(
        "tenant-column",
        "The database fills in the tenant, so that no code can name another.",
        _query(isolation.TENANT_COLUMN),
    ),
    Check(
        "tenant-keys",
        "A key that does not begin with the tenant tells one that a value exists at another.",
        _query(isolation.TENANT_KEYS),
    ),
    Check(
        "tenant-links",
        "A foreign key without the tenant links a row of one to a row of another.",
        _query(isolation.TENANT_LINKS),
    ),
    Check(
        "tenant-index",
        "Every statement looks for one tenant's rows: without such an index it reads them all.",
        _query(isolation.TENANT_INDEX),
    ),
    Check(
        "grants",
        "What row level security does not bind must not be granted.",
        _query(privileges.GRANTS),
    ),
    Check(
        "logins",
        "A login that row level security does not bind sees every tenant.",
        _query(privileges.LOGINS),
    ),
    Check(
        "operator",
        "An export that misses a table is not complete, and a deletion leaves the rest behind.",
        _query(operator.OPERATOR),
    ),
    Check(
        "ownership",
        "An owner can switch row level security off.",
        _query(privileges.OWNERSHIP),
    ),
    Check(
        "definer-functions",
        "A function that runs as its owner must not be led astray, nor be open to all.",
        _query(privileges.DEFINER_FUNCTIONS),
    ),
    Check(
        "views",
        "A view reads with the rights of its owner, unless it is told not to.",
        _query(privileges.VIEWS),
    ),
    Check(
        "audit-triggers",
        "A change that no trigger sees leaves no record.",
        _query(trail.AUDIT_TRIGGERS),
    ),
    Check(
        "audit-trail",
        "Records that can be altered prove nothing; each partition needs its own protection.",
        _query(trail.AUDIT_TRAIL),
    ),
    Check(
        "audit-partitions",
        "Records without a month of their own cannot be archived by month.",
        _query(trail.AUDIT_PARTITIONS),
    ),
    *(Check(name, why, _query(query)) for name, why, query in (*tenancy.CHECKS, *host.CHECKS)),
)
