"""What row level security must say. A query returns what is wrong: object, problem, cure."""

# The tables of schema audit have a check of their own.
ROW_SECURITY = """
select name as object, 'has row level security off' as problem,
    format('alter table %s enable row level security;', name) as cure
from tables
where not relrowsecurity and schema <> 'audit' and (is_granted or tenant_column is not null)
order by name
"""

FORCE_ROW_SECURITY = """
select name as object, 'does not force row level security on its owner' as problem,
    format('alter table %s force row level security;', name) as cure
from tables
where not relforcerowsecurity and schema <> 'audit' and (is_granted or tenant_column is not null)
order by name
"""

POLICIES = """
select quote_ident(p.polname) as name, t.name as table, t.schema, t.relname as relation,
    array(
        select coalesce(r.rolname::text, 'public') from unnest(p.polroles) u (oid)
        left join pg_roles r on r.oid = u.oid
    ) as roles,
    case p.polcmd when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE'
        when 'd' then 'DELETE' else 'ALL' end as command,
    p.polpermissive as is_permissive,
    pg_get_expr(p.polqual, p.polrelid) as using,
    pg_get_expr(p.polwithcheck, p.polrelid) as with_check,
    t.tenant_name as tenant_column
from pg_policy p
join tables t on t.oid = p.polrelid
order by t.name, p.polname
"""

POLICY_COVERAGE = """
select format('%s, %s', t.name, h.role) as object,
    format('%s is granted, but no policy lets %s do it', h.privilege, h.role) as problem,
    format('create policy tenant_%s on %s for %s to %s …; or: revoke %s on %s from %s;',
        lower(h.privilege), t.name, lower(h.privilege), h.role, lower(h.privilege), t.name, h.role
    ) as cure
from holders h
join tables t on t.oid = h.relation
where h.privilege in ('SELECT', 'INSERT', 'UPDATE', 'DELETE') and h.role <> 'public'
  and t.relrowsecurity
  and not exists (
      select from pg_policy p
      where p.polrelid = t.oid and p.polpermissive
        and p.polcmd in (
            '*', case h.privilege when 'SELECT' then 'r' when 'INSERT' then 'a'
                 when 'UPDATE' then 'w' else 'd' end
        )
        and exists (
            select from unnest(p.polroles) u (oid)
            where u.oid = 0 or pg_has_role(h.role, u.oid, 'usage')
        )
  )
order by t.name, h.role, h.privilege
"""

TENANT_COLUMN = """
select name as object, fault.problem, fault.cure
from tables t
cross join lateral (
    select format('%s may be null: such a row belongs to nobody', t.tenant_name) as problem,
        format('alter table %s alter column %s set not null;', t.name, t.tenant_name) as cure
    where not t.tenant_not_null
    union all
    select format('%s has the default %s, not app.default_tenant_id()',
                  t.tenant_name, coalesce(t.tenant_default, 'null')),
        format('alter table %s alter column %s set default app.default_tenant_id();',
            t.name, t.tenant_name)
    where t.tenant_default is distinct from 'app.default_tenant_id()'
      and exists (
          select from holders h
          where h.relation = t.oid and h.privilege = 'INSERT'
            and h.role not in ('app_definer', 'app_audit')
      )
) fault
where t.tenant_column is not null and t.schema <> 'audit'
order by name
"""

# Schema app holds jobs and tickets, whose ids are random; schema audit has rules of its own.
_TENANT_TABLES = """,
tenant_tables as (
    select * from tables where tenant_column is not null and schema not in ('app', 'audit')
)
"""

TENANT_KEYS = (
    _TENANT_TABLES
    + """
select t.name as object, 'has no primary key' as problem,
    format('alter table %s add primary key (%s, id);', t.name, t.tenant_name) as cure
from tenant_tables t
where not exists (select from pg_index i where i.indrelid = t.oid and i.indisprimary)
union all
select format('%s, %s', t.name, c.relname),
    format('%s does not begin with %s: %s',
        case when i.indisprimary then 'the primary key' else 'a unique index' end,
        t.tenant_name, pg_get_indexdef(i.indexrelid)),
    format('drop it, and make it again with %s in front', t.tenant_name)
from tenant_tables t
join pg_index i on i.indrelid = t.oid
join pg_class c on c.oid = i.indexrelid
where i.indisunique and i.indkey[0] <> t.tenant_column
order by 1
"""
)

TENANT_LINKS = (
    _TENANT_TABLES
    + """
select format('%s, %s', source.name, k.conname) as object,
    format('links to %s without the tenant: %s', target.name, pg_get_constraintdef(k.oid))
        as problem,
    format('alter table %1$s drop constraint %2$I; then: foreign key (%4$s, …) references %3$s '
           '(%4$s, …)', source.name, k.conname, target.name, target.tenant_name) as cure
from pg_constraint k
join tables source on source.oid = k.conrelid
join tenant_tables target on target.oid = k.confrelid
where k.contype = 'f'
  and not exists (
      select from unnest(k.conkey, k.confkey) pair (here, there)
      where pair.here = source.tenant_column and pair.there = target.tenant_column
  )
order by 1
"""
)

TENANT_INDEX = (
    _TENANT_TABLES
    + """
select t.name as object, format('has no index that begins with %s', t.tenant_name) as problem,
    format('create index concurrently on %s (%s);', t.name, t.tenant_name) as cure
from tenant_tables t
where not exists (
    select from pg_index i
    where i.indrelid = t.oid and i.indkey[0] = t.tenant_column and i.indisvalid
      and i.indpred is null
)
order by 1
"""
)
