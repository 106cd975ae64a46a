"""What row level security does not bind. A query returns what is wrong: object, problem, cure."""

from app.choices import host

GRANTS = """
select r.name as object, format('%s is granted to PUBLIC', h.privilege) as problem,
    format('revoke %s on %s from public;', lower(h.privilege), r.name) as cure
from holders h join relations r on r.oid = h.relation where h.role = 'public'
union all
select format('%s, %s', t.name, h.role),
    format('%s is granted, which row level security does not bind', h.privilege),
    format('revoke %s on %s from %I;', lower(h.privilege), t.name, h.role)
from holders h join tables t on t.oid = h.relation
where h.privilege in ('TRUNCATE', 'REFERENCES', 'TRIGGER') and h.role <> 'public'
union all
select format('%s, %s', r.name, h.role),
    format('%s on a %s is granted, which cannot have row level security', h.privilege,
        case r.relkind when 'm' then 'materialized view' else 'foreign table' end),
    format('revoke all on %s from %I; and read it through a function that knows the tenant',
        r.name, h.role)
from holders h join relations r on r.oid = h.relation
where r.relkind in ('m', 'f') and h.role <> 'public'
union all
select format('%s, %s', r.name, s.name),
    'may be read, and tells how many rows all tenants have made',
    format('revoke select on sequence %s from %I;', r.name, s.name)
from relations r, serving s
where r.relkind = 'S' and not s.is_superuser
  and has_sequence_privilege(s.name, r.oid, 'SELECT')
union all
select format('schema %I, %s', n.nspname, s.name),
    'may create objects there, which other code could take for its own',
    format('revoke create on schema %I from %I, public;', n.nspname, s.name)
from pg_namespace n, serving s
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and not s.is_superuser
  and has_schema_privilege(s.name, n.oid, 'CREATE')
union all
select format('database %I, %s', current_database(), s.name), 'may create schemas there',
    format('revoke create on database %I from %I;', current_database(), s.name)
from serving s
where not s.is_superuser and has_database_privilege(s.name, current_database(), 'CREATE')
order by 1, 2
"""

LOGINS = f"""
select fault.object, fault.problem, fault.cure from (
    select 'role ' || name as object, 'does not exist' as problem,
        'run: uv run app migrate' as cure
    from unnest(array[
        'app_api', 'app_worker', 'app_definer', 'app_audit', 'app_operator'
    ]) wanted (name)
    where not exists (select from pg_roles r where r.rolname = wanted.name)
    union all
    select format('role %I', r.rolname), 'is a login with BYPASSRLS: it sees every tenant',
        format('alter role %I nobypassrls;', r.rolname)
    from pg_roles r where r.rolcanlogin and r.rolbypassrls and not r.rolsuper
      and not ({host.ADMIN_LOGINS})
    union all
    select format('role %I', r.rolname), format('has %s', attribute.name),
        format('alter role %I no%s;', r.rolname, lower(attribute.name))
    from pg_roles r
    cross join lateral (values
        ('SUPERUSER', r.rolsuper), ('CREATEROLE', r.rolcreaterole),
        ('CREATEDB', r.rolcreatedb), ('REPLICATION', r.rolreplication),
        ('BYPASSRLS', r.rolbypassrls and not r.rolcanlogin)
    ) attribute (name, is_set)
    where attribute.is_set
      and (r.rolname in ('app_definer', 'app_audit', 'app_operator')
           or r.rolname in (select name from serving))
    union all
    select format('role %I', r.rolname), 'can log in, and owns what logins must not touch',
        format('alter role %I nologin;', r.rolname)
    from pg_roles r where r.rolname in ('app_definer', 'app_audit') and r.rolcanlogin
    union all
    select 'role app_operator', 'can log in, and reaches whatever tenant it names',
        'alter role app_operator nologin;'
    from pg_roles r where r.rolname = 'app_operator' and r.rolcanlogin
    union all
    select format('role %I', s.name), format('can act as %I', other.rolname),
        format('revoke %I from %I;', other.rolname, s.name)
    from serving s
    join pg_roles other on other.rolname <> s.name and pg_has_role(s.name, other.oid, 'member')
    where not s.is_superuser
      and (
          other.rolname in ('app_definer', 'app_audit', 'app_operator')
          or other.rolsuper or other.rolbypassrls
          or other.rolname ~ '^pg_(read_server|write_server|execute_server|maintain|write_all)'
          or exists (select from relations o where o.relowner = other.oid)
          or exists (
              select from pg_database d
              where d.datname = current_database() and d.datdba = other.oid
          )
      )
    union all
    -- Postgres 16 makes the creator of a role its member, but one that can neither inherit nor act.
    select format('role %I', member.rolname), format('can act as %I', helper.rolname),
        format('revoke %I from %I;', helper.rolname, member.rolname)
    from pg_auth_members m
    join pg_roles helper on helper.oid = m.roleid
    join pg_roles member on member.oid = m.member
    where helper.rolname in ('app_definer', 'app_audit') and not member.rolsuper
      and member.rolname not in (select name from serving)
      and (coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true)
           or coalesce((to_jsonb(m) ->> 'set_option')::boolean, true))
    union all
    -- The role that migrates may; it owns the tables, and could open them in any case.
    select format('role %I', member.rolname), 'can act as app_operator, who reaches every tenant',
        format('revoke app_operator from %I;', member.rolname)
    from pg_auth_members m
    join pg_roles operator on operator.oid = m.roleid and operator.rolname = 'app_operator'
    join pg_roles member on member.oid = m.member and not member.rolsuper
    where member.rolname not in (select name from serving)
      and not exists (
          select from relations r where r.name = 'public.tenants' and r.relowner = member.oid
      )
      and (coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true)
           or coalesce((to_jsonb(m) ->> 'set_option')::boolean, true))
) fault
order by 1, 2
"""  # noqa: S608  # the host's own words

OWNERSHIP = """
select format('role %I', s.name) as object,
    format('owns %s', pg_describe_object(d.classid, d.objid, 0)) as problem,
    format('alter … owner to the role that migrates; %I must own nothing', s.name) as cure
from serving s
join pg_roles r on r.rolname = s.name
join pg_shdepend d
    on d.refclassid = 'pg_authid'::regclass and d.refobjid = r.oid and d.deptype = 'o'
   and d.dbid in (0, (select oid from pg_database where datname = current_database()))
where not exists (
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where d.classid = 'pg_class'::regclass and c.oid = d.objid and n.nspname ~ '^pg_(toast_)?temp'
)
order by 1, 2
"""

DEFINER_FUNCTIONS = f"""
select f.name as object, fault.problem, fault.cure
from (
    select p.*, p.oid::regprocedure::text as name,
        -- Only a superuser attaches one to its event, and nobody calls it.
        p.prorettype = 'pg_catalog.event_trigger'::regtype as is_event_trigger,
        (select substr(setting, 13) from unnest(p.proconfig) setting
         where setting like 'search_path=%') as path
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    where p.prosecdef and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and n.nspname !~ '{host.SCHEMAS}'
      and not exists (
          select from pg_depend e
          where e.classid = 'pg_proc'::regclass and e.objid = p.oid and e.deptype = 'e'
      )
) f
join pg_roles owner on owner.oid = f.proowner
cross join lateral (
    select 'is SECURITY DEFINER without a fixed search_path' as problem,
        format('alter function %s set search_path = '''';', f.name) as cure
    where f.path is null or f.path like '%$user%'
    union all
    select 'is SECURITY DEFINER and anyone may call it (PUBLIC)',
        format('revoke execute on function %s from public;', f.name)
    where has_function_privilege('public', f.oid, 'execute') and not f.is_event_trigger
    union all
    select format('is SECURITY DEFINER and belongs to %I, which %s', owner.rolname,
            case when owner.rolsuper then 'is a superuser' when owner.rolbypassrls
                then 'has BYPASSRLS' else 'can log in' end),
        format('alter function %s owner to app_definer;', f.name)
    where not f.is_event_trigger and (
        owner.rolsuper or owner.rolbypassrls
        or (owner.rolcanlogin and owner.rolname not in ('app_definer', 'app_audit'))
    )
) fault
order by 1, 2
"""  # noqa: S608  # the host's own words

VIEWS = """
select v.name as object, 'reads with the rights of its owner, past row level security' as problem,
    format('alter view %s set (security_invoker = true);', v.name) as cure
from relations v
where v.relkind = 'v'
  and not exists (
      select from unnest(v.reloptions) o where o ~* '^security_invoker=(true|on|yes|1|t|y)$'
  )
  and (
      exists (select from holders h where h.relation = v.oid)
      or exists (
          select from pg_rewrite w
          join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
          join tables t on d.refclassid = 'pg_class'::regclass and t.oid = d.refobjid
          where w.ev_class = v.oid and (t.is_granted or t.tenant_column is not null)
      )
  )
order by 1
"""
