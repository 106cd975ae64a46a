-- The audit trail is written by the database, so no code path can forget it, and belongs to a role
-- that nobody can log in as, so no login can alter it.

create schema audit authorization app_audit;

set role app_audit;

comment on schema audit is 'What changed, when, by whom. Append-only.';

create table audit.events (
    id uuid not null default app.uuid_v7(),
    occurred_at timestamptz not null default now(),
    tenant_id uuid,
    actor_id uuid,
    actor text,
    api_key_id uuid,
    login text not null default session_user,
    request_id text,
    action text not null,
    table_name text,
    row_id uuid,
    old jsonb,
    new jsonb
) partition by range (occurred_at);
comment on table audit.events is
    'One recorded change, or one event that the application reports. There is no foreign key: '
    'the trail outlives what it speaks of.';
comment on column audit.events.actor is 'The provider''s id of the person, kept when the user is erased.';
comment on column audit.events.api_key_id is 'The key of that person that a program used, if one did.';
comment on column audit.events.login is 'The database login; tells a change by hand from one by the application.';
-- The one index. A primary key would be a second, paid for by every row that anyone writes.
create index on audit.events (tenant_id, id);

create function audit.refuse_change() returns trigger
language plpgsql set search_path = ''
as $$
begin
    -- Some hosts let the role that migrates write whatever there is, past policies and grants: the trail is
    -- still written by its own functions alone, which act as its owner.
    if tg_op = 'INSERT' and pg_has_role(current_user, 'app_audit', 'usage') then
        return null;
    end if;
    raise exception 'audit records are append-only: % of %.% is refused',
        tg_op, tg_table_schema, tg_table_name using errcode = 'insufficient_privilege';
end;
$$;

-- Row triggers on the parent reach every partition; those of statements do not, so protect() gives each
-- table its own. ALWAYS: they also fire where session_replication_role is 'replica'.
create function audit.protect(target regclass) returns void
language plpgsql set search_path = ''
as $$
begin
    if not exists (
        select from pg_catalog.pg_trigger t where t.tgrelid = target and t.tgname = 'append_only'
    ) then
        execute format(
            'create trigger append_only before update or delete on %s
             for each row execute function audit.refuse_change()', target);
    end if;
    execute format(
        'create or replace trigger append_only_statement before insert or update or delete on %s
         for each statement execute function audit.refuse_change()', target);
    execute format(
        'create or replace trigger append_only_truncate before truncate on %s
         for each statement execute function audit.refuse_change()', target);
    execute format('alter table %s enable always trigger append_only', target);
    execute format('alter table %s enable always trigger append_only_statement', target);
    execute format('alter table %s enable always trigger append_only_truncate', target);
    execute format('alter table %s enable row level security', target);
    execute format('alter table %s force row level security', target);
end;
$$;

select audit.protect('audit.events');

-- A write is never refused for want of a partition: what has no month of its own lands here.
create table audit.events_default partition of audit.events default;
select audit.protect('audit.events_default');

create function audit.ensure_partitions(months integer default 12) returns integer
language plpgsql security definer set search_path = ''
as $$
declare
    first_day date;
    partition text;
    made integer := 0;
begin
    for first_day in
        select d::date from pg_catalog.generate_series(
            date_trunc('month', now() at time zone 'utc'),
            date_trunc('month', now() at time zone 'utc') + months * interval '1 month',
            interval '1 month'
        ) d
    loop
        partition := format('audit.events_%s', to_char(first_day, 'YYYY_MM'));
        continue when to_regclass(partition) is not null;
        begin
            execute format(
                'create table %s partition of audit.events for values from (%L) to (%L)',
                partition,
                first_day::timestamp at time zone 'utc',
                (first_day + interval '1 month') at time zone 'utc');
            perform audit.protect(partition::regclass);
            made := made + 1;
        exception
            when duplicate_table then null;
            when check_violation then
                raise warning 'audit.events_default already holds records of %', partition;
        end;
    end loop;
    return made;
end;
$$;
comment on function audit.ensure_partitions(integer) is
    'Makes the partitions of this month and the coming ones; returns how many were missing.';

-- Statement triggers with transition tables: one insert for a statement, however many rows.
create function audit.record_changes() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
    tenant_column text := tg_argv[0];
    unrecorded text[] := tg_argv[1:];
    actor_id uuid;
    actor text;
    key_id uuid := app.current_key_id();
    request_id text := app.request_id();
    first_id uuid := app.uuid_v7();
begin
    if exists (
        select from unnest(array_remove(tg_argv, 'none')) c (name)
        where not exists (
            select from pg_catalog.pg_attribute a
            where a.attrelid = tg_relid and a.attname = c.name and not a.attisdropped
        )
    ) then
        -- As after a column was renamed: records of no tenant, or that hold for good what they must not.
        raise exception 'the audit triggers of %.% name a column that it does not have',
            tg_table_schema, tg_table_name
            using errcode = 'undefined_column', hint = 'Drop its triggers audit_*, then call app.audit().';
    end if;
    -- OFFSET 0 keeps the row's JSON from being made again for each mention of it.
    select a.user_id, a.subject into actor_id, actor from app.current_access() a;
    if tg_op = 'INSERT' then
        insert into audit.events
            (id, tenant_id, actor_id, actor, api_key_id, request_id, action, table_name, row_id, new)
        select app.uuid_v7_nth(first_id, row_number() over ()),
               (c.new ->> tenant_column)::uuid, actor_id, actor, key_id, request_id,
               'insert', tg_table_name, c.id, c.new
        from (select n.id, to_jsonb(n) - unrecorded as new from new_rows n offset 0) c;
    elsif tg_op = 'DELETE' then
        insert into audit.events
            (id, tenant_id, actor_id, actor, api_key_id, request_id, action, table_name, row_id, old)
        select app.uuid_v7_nth(first_id, row_number() over ()),
               (c.old ->> tenant_column)::uuid, actor_id, actor, key_id, request_id,
               'delete', tg_table_name, c.id, c.old
        from (select o.id, to_jsonb(o) - unrecorded as old from old_rows o offset 0) c;
    else
        -- A full join, so that even an update that changes the id leaves both sides behind.
        insert into audit.events
            (id, tenant_id, actor_id, actor, api_key_id, request_id, action, table_name, row_id, old, new)
        select app.uuid_v7_nth(first_id, row_number() over ()),
               (coalesce(c.new, c.old) ->> tenant_column)::uuid, actor_id, actor, key_id, request_id,
               'update', tg_table_name, c.id, c.old, c.new
        from (
            select coalesce(n.id, o.id) as id,
                   to_jsonb(o) - unrecorded as old, to_jsonb(n) - unrecorded as new
            from old_rows o full join new_rows n on n.id = o.id
            offset 0
        ) c;
    end if;
    return null;
end;
$$;

create function audit.refuse_truncate() returns trigger
language plpgsql set search_path = ''
as $$
begin
    raise exception 'TRUNCATE of % would leave no audit record: use DELETE', tg_table_name
        using errcode = 'insufficient_privilege';
end;
$$;

-- For what is worth recording and is not a write: a refused access, an export.
create function audit.record_event(action text, detail jsonb default '{}') returns void
language sql security definer set search_path = ''
as $$
    insert into audit.events (tenant_id, actor_id, actor, api_key_id, request_id, action, new)
    select a.tenant_id, a.user_id, coalesce(a.subject, app.claims() ->> 'sub'),
           app.current_key_id(), app.request_id(), action, detail
    from (select) nobody left join app.current_access() a on true
$$;

-- For what an operator does with a tenant as a whole.
create function audit.record_operation(tenant uuid, action text, detail jsonb) returns void
language sql security definer set search_path = ''
as $$
    insert into audit.events (tenant_id, request_id, action, new)
    values (tenant, app.request_id(), action, detail)
$$;

create policy written_by_triggers on audit.events for insert to app_audit with check (true);
create policy read_by_admins on audit.events for select to app_api
    using (
        tenant_id = (select app.current_tenant_id())
        and (select app.current_member_role()) in ('owner', 'admin')
    );

-- How long ago the tenant wrote last, if it did within the hour: an id begins with the time at which its
-- record was made. Whoever may not read the trail may know that.
create function audit.seconds_since_write() returns double precision
language sql stable security definer set search_path = ''
as $$
    select extract(epoch from clock_timestamp())
           - ('x' || left(replace(e.id::text, '-', ''), 12))::bit(48)::bigint / 1000.0
    from audit.events e
    where e.tenant_id = (select app.current_tenant_id())
      and e.occurred_at > now() - interval '1 hour'
    order by e.id desc
    limit 1
$$;
create policy read_by_seconds_since_write on audit.events for select to app_audit
    using (tenant_id = (select app.current_tenant_id()));

create policy operator_select on audit.events for select to app_operator
    using (tenant_id = (select app.operated_tenant_id()));

grant usage on schema audit to app_api, app_worker, app_operator;
grant select on audit.events to app_api, app_operator;
grant execute on function audit.record_event(text, jsonb) to app_api, app_worker;
grant execute on function audit.seconds_since_write() to app_api;
grant execute on function audit.ensure_partitions(integer) to app_worker;

reset role;

-- The role that migrates may put tables under audit; it may not touch the records.
do $$
begin
    execute 'set role app_audit';
    execute format('grant usage on schema audit to %I', session_user);
    execute format('grant execute on function audit.record_changes(), audit.refuse_truncate(), '
                   'audit.ensure_partitions(integer), audit.record_operation(uuid, text, jsonb) to %I',
                   session_user);
    execute 'reset role';
end;
$$;

-- Puts a table under audit; app.isolate does so by itself. The tenant column says whose a row is, or
-- 'none' that it is nobody's; columns that are nobody's to read, such as a hash, are left out of the
-- records. A migration that renames either kind puts the table under audit anew.
create function app.audit(
    target regclass, tenant_column text, unrecorded text[] default '{}'
) returns void
language plpgsql set search_path = ''
as $$
declare
    arguments text := (
        select string_agg(quote_literal(a.name), ', ' order by a.place)
        from unnest(tenant_column || unrecorded) with ordinality a (name, place)
    );
begin
    execute format('create trigger audit_insert after insert on %s
        referencing new table as new_rows
        for each statement execute function audit.record_changes(%s)', target, arguments);
    execute format('create trigger audit_update after update on %s
        referencing old table as old_rows new table as new_rows
        for each statement execute function audit.record_changes(%s)', target, arguments);
    execute format('create trigger audit_delete after delete on %s
        referencing old table as old_rows
        for each statement execute function audit.record_changes(%s)', target, arguments);
    execute format('create trigger audit_truncate before truncate on %s
        for each statement execute function audit.refuse_truncate()', target);
end;
$$;
