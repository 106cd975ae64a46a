"""What the doctor asks about schemas. A query returns what is wrong: object, problem, cure."""

__all__ = ["CHECKS"]

# A schema and a role of the same name are a tenant's; nothing else may begin like it. What an
# operator may there is checked where it is checked everywhere.
_PLACES = """,
places as (
    select n.oid, n.nspname::text as name, n.nspacl, n.nspowner from pg_namespace n
    where n.nspname ~ '^tenant_[0-9a-f]{32}$'
),
tenants as (
    select r.* from pg_roles r where r.rolname ~ '^tenant_[0-9a-f]{32}$'
)
"""

_ROLES = """
select format('role %I', t.rolname) as object, format('has %s', attribute.name) as problem,
    format('alter role %I no%s;', t.rolname, lower(attribute.name)) as cure
from tenants t
cross join lateral (values
    ('LOGIN', t.rolcanlogin), ('SUPERUSER', t.rolsuper), ('BYPASSRLS', t.rolbypassrls),
    ('CREATEROLE', t.rolcreaterole), ('CREATEDB', t.rolcreatedb)
) attribute (name, is_set)
where attribute.is_set
union all
select format('role %I', t.rolname), format('can act as %I', other.rolname),
    format('revoke %I from %I;', other.rolname, t.rolname)
from tenants t
join pg_auth_members m on m.member = t.oid
join pg_roles other on other.oid = m.roleid
where other.rolname <> 'app_tenant'
union all
select format('role %I', p.name), 'does not exist: nobody can reach the tables of the schema',
    'run: uv run app migrate'
from places p where not exists (select from tenants t where t.rolname = p.name)
union all
select format('role %I', s.name), 'inherits what its tenants may do, and need take on no role',
    format('alter role %I noinherit; then revoke the tenants'' roles from it and grant them again',
        s.name)
from serving s join pg_roles r on r.rolname = s.name
where s.name in ('app_api', 'app_worker') and (
    r.rolinherit
    or exists (
        select from pg_auth_members m join tenants t on t.oid = m.roleid
        where m.member = r.oid and coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, false)
    )
)
order by 1, 2
"""

_SCHEMAS = """
select format('schema %I', p.name) as object,
    format('%s on it is granted to %s', e.privilege_type, coalesce(g.rolname, 'PUBLIC')) as problem,
    format('revoke %s on schema %I from %s;', lower(e.privilege_type), p.name,
        coalesce(quote_ident(g.rolname), 'public')) as cure
from places p
cross join lateral aclexplode(p.nspacl) e
left join pg_roles g on g.oid = e.grantee
where e.grantee <> p.nspowner
  and (
      g.rolname is null or g.rolname not in (p.name, 'app_operator') or e.privilege_type <> 'USAGE'
  )
union all
select r.name, format('%s is granted to %s', e.privilege_type, coalesce(g.rolname, 'PUBLIC')),
    format('revoke %s on %s from %s;', lower(e.privilege_type), r.name,
        coalesce(quote_ident(g.rolname), 'public'))
from places p
join relations r on r.schema = p.name
join pg_class c on c.oid = r.oid
cross join lateral aclexplode(c.relacl) e
left join pg_roles g on g.oid = e.grantee
where e.grantee <> c.relowner
  and (g.rolname is null or g.rolname not in (p.name, 'app_operator'))
order by 1, 2
"""

CHECKS = (
    (
        "tenant-roles",
        "A tenant's role is what a session takes on: it may be no more than that tenant.",
        _PLACES + _ROLES,
    ),
    (
        "tenant-schemas",
        "What is granted on a tenant's schema to anybody else needs no mistake to be read.",
        _PLACES + _SCHEMAS,
    ),
)
