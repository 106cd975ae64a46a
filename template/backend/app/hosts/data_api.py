"""What Supabase's Data API may reach: what `app.expose` has opened to it, and nothing else."""

__all__ = ["CHECKS"]

_ROLES = "('anon', 'authenticated', 'service_role')"

_REACHED = f"""
select format('%s, %s', r.name, role.rolname) as object,
    format('%s is granted, and app.expose did not grant it', string_agg(p.privilege, ', '))
        as problem,
    format('revoke %s on %s from %I;', string_agg(p.privilege, ', '), r.name, role.rolname) as cure
from relations r
join pg_roles role on role.rolname in {_ROLES}
join pg_class c on c.oid = r.oid
cross join lateral (
    select e.privilege_type as privilege
    from aclexplode(c.relacl) e where e.grantee = role.oid
    union
    select e.privilege_type
    from pg_attribute a, aclexplode(a.attacl) e
    where a.attrelid = r.oid and e.grantee = role.oid
) p
where not (
    role.rolname = 'authenticated' and exists (
        select from pg_policies o
        where o.schemaname = r.schema and o.tablename = r.relname
          and o.policyname = 'data_api_' || lower(p.privilege)
          and o.roles = array['authenticated'::name]
    )
)
group by r.name, role.rolname
union all
select format('schema %I', n.nspname), format('%s may use it', role.rolname),
    format('revoke usage on schema %I from %I;', n.nspname, role.rolname)
from pg_namespace n join pg_roles role on role.rolname in ('anon', 'service_role')
where n.nspname in ('app', 'audit', 'app_migrations')
  and has_schema_privilege(role.oid, n.oid, 'usage')
union all
select 'the role ' || role.rolname, 'gets whatever is made in schema public',
    format('alter default privileges for role %I in schema public revoke all on %s from %I;',
        owner.rolname,
        case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' else 'functions' end,
        role.rolname)
from pg_default_acl d
join pg_roles owner on owner.oid = d.defaclrole
join relations t on t.name = 'public.tenants' and t.relowner = owner.oid
cross join lateral aclexplode(d.defaclacl) e
join pg_roles role on role.oid = e.grantee and role.rolname in {_ROLES}
where d.defaclnamespace = 'public'::regnamespace and d.defaclobjtype in ('r', 'S', 'f')
group by role.rolname, owner.rolname, d.defaclobjtype
order by 1, 2
"""  # noqa: S608  # names that stand here

CHECKS: tuple[tuple[str, str, str], ...] = (
    (
        "data-api",
        "Whoever has the key that every browser gets may do what these roles may.",
        _REACHED,
    ),
)
