"""A table as it is after some years: a million contacts of a thousand organizations."""

from typing import Any, NamedTuple

import httpx
from product import Product

ORGANIZATIONS = 1_000
ROWS = 1_000_000

_FILL = """
    insert into contacts (id, org_id, name, email, company, amount)
    select app.uuid_v7(), o.id, 'Name ' || n, 'person-' || n || '@example.com',
           'Company ' || n %% 5000, n %% 100000 / 100.0
    from generate_series(1, %(rows)s) n
    join (
        select id, row_number() over (order by id) - 1 as place from organizations
    ) o on o.place = n %% %(organizations)s
"""

_TENANT = """
    select u.subject, u.id::text, o.id::text, o.external_id, o.slug, m.role
    from memberships m
    join users u on u.id = m.user_id
    join organizations o on o.id = m.org_id
"""


class Tenant(NamedTuple):
    """One of the organizations, and who asks in its name."""

    token: str
    claims: dict[str, Any]
    user_id: str
    organization_id: str


def filled(product: Product) -> Tenant:
    """Fill the database of a product that has just been started, unless it is filled."""
    token = product.token("u1", "acme")
    headers = {"Authorization": f"Bearer {token}"}
    httpx.get(f"{product.api}/api/v1/me", headers=headers, trust_env=False).raise_for_status()
    with product.connect() as connection:
        # Nobody asks for these rows' audit records, and they would take most of the time.
        connection.execute("set session_replication_role = replica")
        found = connection.execute("select count(*) from organizations").fetchone()
        if found is not None and found[0] < ORGANIZATIONS:
            product.say(f"filling {ROWS:,} contacts of {ORGANIZATIONS:,} organizations")
            connection.execute(
                "insert into organizations (external_id, slug, name) "
                "select 'org_' || n, 'org-' || n, 'Org ' || n from generate_series(2, %s) n",
                (ORGANIZATIONS,),
            )
            connection.execute(_FILL, {"rows": ROWS, "organizations": ORGANIZATIONS})
            connection.execute("vacuum analyze")
            connection.execute("checkpoint")
        row = connection.execute(_TENANT).fetchone()
    if row is None:
        raise RuntimeError("signing in has left no membership behind")
    subject, user_id, org_id, external_id, slug, role = row
    claims = {
        "sub": subject,
        "org_id": external_id,
        "org_slug": slug,
        "org_role": role,
        "iat": 0,
    }
    return Tenant(token, claims, user_id, org_id)


def ensure_filled(product: Product) -> Tenant:
    """Start the product on a database of its own, if no other part has, and fill it."""
    if not (product.repository / ".dev/filled").exists():
        product.start_fresh()
        (product.repository / ".dev/filled").touch()
    return filled(product)
