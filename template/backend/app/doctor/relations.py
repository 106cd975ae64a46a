"""What a database holds, as every check begins to ask.

Nobody registers a table: whatever is not the system's, an extension's or the host's is looked at,
and a table needs protection as soon as anyone who can log in, and does not own it, holds a
privilege on it.
"""

from app.choices import host, tenancy

# Begins every query.
#   relations  what is ours, with its tenant column
#   holders    who but the owner holds which privilege on it: named in the grant or, for the roles
#              that serve requests, in whatever way. Superusers and BYPASSRLS are not bound at all.
#   tables     the tables among them; is_granted: somebody holds a privilege who is neither the
#              owner nor one of the roles that no one can log in as
RELATIONS = f"""
with relations as (
    select c.oid, c.relname, n.nspname as schema, c.relkind, c.relowner, c.reloptions,
        c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
        format('%I.%I', n.nspname, c.relname) as name,
        a.attnum as tenant_column, a.attname::text as tenant_name, a.attnotnull as tenant_not_null,
        pg_get_expr(d.adbin, d.adrelid) as tenant_default
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join lateral (
        -- The machinery carries the jobs of people, so that user_id is not the tenant there.
        select * from pg_attribute t
        where t.attrelid = c.oid and not t.attisdropped
          and t.attname in ('tenant_id', '{tenancy.TENANT_COLUMN}')
        order by t.attname = 'tenant_id' desc
        limit 1
    ) a on true
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
      and n.nspname !~ '{host.SCHEMAS}'
      and not exists (
          select from pg_depend e
          where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'
      )
),
serving as (
    select rolname::text as name, rolsuper as is_superuser from pg_roles
    where rolname in ('app_api', 'app_worker', 'anon', 'authenticated')
),
grantees as (
    select r.oid as relation, coalesce(g.rolname::text, 'public') as name
    from relations r
    join pg_class c on c.oid = r.oid
    cross join lateral aclexplode(c.relacl) e
    left join pg_roles g on g.oid = e.grantee
    union
    select r.oid, coalesce(g.rolname::text, 'public')
    from relations r
    join pg_attribute a on a.attrelid = r.oid and not a.attisdropped
    cross join lateral aclexplode(a.attacl) e
    left join pg_roles g on g.oid = e.grantee
    union
    select r.oid, s.name from relations r, serving s
),
holders as (
    select r.oid as relation, g.name as role, p.privilege
    from relations r
    join grantees g on g.relation = r.oid
    left join pg_roles role on role.rolname = g.name and g.name <> 'public'
    cross join (values ('SELECT', true), ('INSERT', true), ('UPDATE', true), ('DELETE', false),
                       ('TRUNCATE', false), ('REFERENCES', true), ('TRIGGER', false)
    ) p (privilege, by_column)
    where r.relkind <> 'S'
      and not coalesce(role.rolsuper or role.rolbypassrls
                       or pg_has_role(role.oid, r.relowner, 'usage'), false)
      and case
          when by_column then has_any_column_privilege(g.name, r.oid, p.privilege)
          else has_table_privilege(g.name, r.oid, p.privilege)
      end
),
tables as (
    select r.*, exists (
        select from holders h
        where h.relation = r.oid and h.role not in ('app_definer', 'app_audit')
    ) as is_granted
    from relations r where r.relkind in ('r', 'p')
)
"""  # noqa: S608  # one of two words
