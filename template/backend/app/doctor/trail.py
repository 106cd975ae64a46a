"""What the audit trail needs. A query returns what is wrong: object, problem, cure."""

# A trigger's tgtype: 1 for each row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate.
# Source: src/include/catalog/pg_trigger.h of Postgres.
AUDIT_TRIGGERS = """,
private (name, unrecorded) as (
    -- What the records leave out: they are for admins to read, and for good.
    values
        ('app.api_keys', array['hash']),
        ('public.users', array['email', 'name', 'salt']),
        ('public.invitations', array['email', 'salt'])
),
columns as (select * from pg_attribute where attnum > 0 and not attisdropped),
audited as (
    select t.*, array(select c.attname::text from columns c where c.attrelid = t.oid) as columns,
        array(
            select c.attname::text from columns c
            where c.attrelid = t.oid and c.attname = any(m.unrecorded)
        ) as unrecorded
    from tables t
    left join private m on m.name = t.name
    where (t.schema not in ('app', 'audit') or m.name is not null) and not t.relispartition
      and (
          t.is_granted or t.tenant_column is not null
          or t.schema = 'public'
          and exists (select from holders h where h.relation = t.oid and h.role = 'app_definer')
      )
),
triggers as (
    select t.tgrelid, t.tgtype, t.tgenabled in ('O', 'A') as is_enabled, t.tgname, n.nspname,
        p.proname, t.tgqual is null and t.tgattr::text = '' as is_unconditional,
        array_remove(string_to_array(encode(t.tgargs, 'escape'), '\\000'), '') as arguments
    from pg_trigger t
    join pg_proc p on p.oid = t.tgfoid
    join pg_namespace n on n.oid = p.pronamespace
    where not t.tgisinternal
)
select a.name as object,
    case
        when found.tgname is null then format('has no audit trigger for %s', upper(event.name))
        when not found.is_enabled then
            format('has its audit trigger for %s disabled: %s', upper(event.name), found.tgname)
        when not found.is_unconditional then
            format('has an audit trigger for %s that does not see every change: %s',
                upper(event.name), found.tgname)
        when found.arguments[1] <> a.tenant_name then
            format('has an audit trigger for %s that takes "%s" for the tenant: %s',
                upper(event.name), found.arguments[1], found.tgname)
        when not array_remove(found.arguments, 'none') <@ a.columns then
            format('has an audit trigger for %s that names columns which are not there (%s): %s',
                upper(event.name), array_to_string(found.arguments, ', '), found.tgname)
        else format('has an audit trigger for %s that records what must not be kept (%s): %s',
                upper(event.name), array_to_string(a.unrecorded, ', '), found.tgname)
    end as problem,
    case
        when found.tgname is not null and not found.is_enabled then
            format('alter table %s enable trigger %I;', a.name, found.tgname)
        else format('drop trigger if exists audit_insert on %1$s; the same for audit_update, '
                    'audit_delete, audit_truncate; then: select app.audit(%1$L, %2$L%3$s);%4$s',
                    a.name, coalesce(a.tenant_name, 'none'),
                    ', ' || quote_literal(nullif(a.unrecorded, '{}')::text),
                    case when not array_remove(found.arguments, 'none') <@ a.columns then
                        ' leave out under its new name what was left out, here and in the doctor'
                    end)
    end as cure
from audited a
cross join (values
    ('insert', 4), ('update', 16), ('delete', 8), ('truncate', 34)
) event (name, type)
left join lateral (
    select * from triggers t
    where t.tgrelid = a.oid and t.tgtype = event.type and t.nspname = 'audit'
      and t.proname =
          case event.name when 'truncate' then 'refuse_truncate' else 'record_changes' end
    order by t.is_enabled and t.is_unconditional desc, t.tgname
    limit 1
) found on true
where found.tgname is null or not found.is_enabled or not found.is_unconditional
   or event.name <> 'truncate'
      and (
          found.arguments[1] <> a.tenant_name or not a.unrecorded <@ found.arguments
          or not array_remove(found.arguments, 'none') <@ a.columns
      )
union all
select a.name, 'is audited and has no column "id" of type uuid: every update of it would fail',
    format('alter table %s add column id uuid not null default app.uuid_v7();', a.name)
from audited a
where not exists (
    select from pg_attribute c
    where c.attrelid = a.oid and c.attname = 'id' and c.atttypid = 'uuid'::regtype
      and not c.attisdropped
)
order by 1, 2
"""

AUDIT_TRAIL = """,
trail as (
    select t.*, t.name = 'audit.events' as is_parent from tables t where t.schema = 'audit'
),
triggers as (
    select t.tgrelid, t.tgtype, t.tgname,
        t.tgenabled = 'A' and t.tgqual is null and t.tgattr::text = '' as is_always
    from pg_trigger t join pg_proc p on p.oid = t.tgfoid
    join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'audit' and p.proname = 'refuse_change'
)
select 'audit.events' as object, 'does not exist' as problem, 'run: uv run app migrate' as cure
where to_regclass('audit.events') is null
union all
select t.name, fault.problem, 'set role app_audit; ' || fault.cure
from trail t
cross join lateral (
    select 'is not protected: row level security is off' as problem,
        format('alter table %s enable row level security;', t.name) as cure
    where not t.relrowsecurity
    union all
    select 'is not protected: row level security is not forced',
        format('alter table %s force row level security;', t.name)
    where not t.relforcerowsecurity
    union all
    select format('is not protected: %s is not refused', event.name),
        format('create trigger %1$s before %2$s on %3$s for each %4$s execute function '
               'audit.refuse_change(); alter table %3$s enable always trigger %1$s;',
            event.trigger, lower(event.name), t.name, event.level)
    from (values
        ('UPDATE OR DELETE', 27, 'append_only', 'row'),
        ('INSERT OR UPDATE OR DELETE', 30, 'append_only_statement', 'statement'),
        ('TRUNCATE', 34, 'append_only_truncate', 'statement')
    ) event (name, type, trigger, level)
    where not exists (
        select from triggers g where g.tgrelid = t.oid and g.tgtype = event.type
    )
    union all
    select format('is not protected: trigger %s is off, or off under '
                  'session_replication_role = replica', g.tgname),
        format('alter table %s enable always trigger %I;', t.name, g.tgname)
    from triggers g where g.tgrelid = t.oid and not g.is_always
    union all
    select format('belongs to %I, not to app_audit', owner.rolname),
        format('alter table %s owner to app_audit;', t.name)
    from pg_roles owner where owner.oid = t.relowner and owner.rolname <> 'app_audit'
    union all
    select format('grants %s to %s', h.privilege, h.role),
        format('revoke %s on %s from %s;', lower(h.privilege), t.name, h.role)
    from holders h
    where h.relation = t.oid and not (t.is_parent and h.privilege = 'SELECT' and h.role <> 'public')
) fault
order by 1, 2
"""

AUDIT_PARTITIONS = """,
bounds as (
    select c.oid, pg_get_expr(c.relpartbound, c.oid) as bound
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = to_regclass('audit.events')
),
months as (
    select substring(bound from $$FROM \\('([^']+)'\\)$$)::timestamptz as since,
        substring(bound from $$TO \\('([^']+)'\\)$$)::timestamptz as until
    from bounds
)
select 'audit.events' as object,
    format('has no partition for %s', to_char(month.day, 'YYYY-MM')) as problem,
    'select audit.ensure_partitions();' as cure, false as is_warning
from (
    values (date_trunc('month', now())), (date_trunc('month', now()) + interval '1 month')
) month (day)
where to_regclass('audit.events') is not null
  and not exists (select from months m where m.since <= month.day and m.until > month.day)
union all
select oid::regclass::text, 'holds records that have no partition of their month',
    'set role app_audit; detach it, make the months, insert its records into audit.events, attach '
    'an empty one; see the runbook', true
from bounds where bound = 'DEFAULT' and pg_relation_size(oid) > 0
"""
