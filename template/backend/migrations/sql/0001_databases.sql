-- Tenancy by databases: an organization has a database of its own, with all of the product's tables and
-- that one organization in them. The control database holds sign-in, who the organizations are and
-- where each one's database is; it has none of the tables of tenants.

create function app.tenancy(out model text, out tenant_column text, out is_mine text)
language sql immutable
return row('databases'::text, 'org_id'::text, 'org_id = (select app.current_org_id())'::text);

create function app.roles_of(target regclass) returns text
language sql immutable
return 'app_api, app_worker'::text;

-- What this database is. A new one is a template: it has the shape of a tenant's, and no tenant.
create table app.here (
    is_only_row boolean primary key default true check (is_only_row),
    kind text not null default 'template' check (kind in ('control', 'template', 'tenant')),
    owner uuid,
    state text not null default 'open' check (state in ('open', 'moving', 'moved')),
    check ((kind = 'tenant') = (owner is not null))
);
comment on table app.here is 'What this database is, and whose.';
comment on column app.here.state is
    'moving: it is being copied, and can only be read. moved: another database has taken over.';
insert into app.here default values;
alter table app.here enable row level security;
alter table app.here force row level security;
grant select, update on app.here to app_definer;
create policy definer_select on app.here for select to app_definer using (true);
create policy definer_update on app.here for update to app_definer using (true) with check (true);

-- In the control database: where each tenant's database is.
create table public.tenant_databases (
    id uuid primary key references public.tenants (id),
    server text not null check (length(server) between 1 and 63),
    database text not null check (length(database) between 1 and 63),
    revision text,
    error text,
    changed_at timestamptz not null default now()
);
comment on table public.tenant_databases is
    'Where each tenant''s database is, and which migrations it came to.';
comment on column public.tenant_databases.server is
    'A name in the setting TENANT_SERVERS; "default" is the control database''s own server.';
comment on column public.tenant_databases.revision is 'Null while the database is being made.';
comment on column public.tenant_databases.error is 'Why the migration of this tenant failed last.';
alter table public.tenant_databases enable row level security;
alter table public.tenant_databases force row level security;
grant select, insert, update on public.tenant_databases to app_definer;
create policy definer_select on public.tenant_databases for select to app_definer using (true);
create policy definer_insert on public.tenant_databases for insert to app_definer with check (true);
create policy definer_update on public.tenant_databases for update to app_definer
    using (true) with check (true);
select app.audit('public.tenant_databases', 'id');

-- In the control database: whose outbox has to be looked at. A mark is committed before the job that
-- it speaks of, and goes only when a look has found no job, and nobody who might still write one.
create table app.marks (
    id uuid primary key,
    marked_at timestamptz not null default clock_timestamp(),
    look_at timestamptz default clock_timestamp(),
    waiting bigint not null default 0,
    delayed bigint not null default 0,
    running bigint not null default 0,
    dead bigint not null default 0,
    oldest_due timestamptz
);
comment on table app.marks is 'Tenants who have or had jobs, when to look next, what the last look found.';
comment on column app.marks.look_at is 'Null when there is nothing to look for until the next mark.';
create index marks_due on app.marks (look_at) where look_at is not null;
alter table app.marks enable row level security;
alter table app.marks force row level security;
grant select, insert, update on app.marks to app_definer;
create policy definer_select on app.marks for select to app_definer using (true);
create policy definer_insert on app.marks for insert to app_definer with check (true);
create policy definer_update on app.marks for update to app_definer using (true) with check (true);

grant execute on function app.job_state(app.outbox) to app_definer;
grant create on schema app to app_definer;
set role app_definer;

create function app.where_am_i(out kind text, out owner uuid, out state text)
language sql stable security definer set search_path = ''
as $$ select h.kind, h.owner, h.state from app.here h $$;

create function app.set_here(new_kind text, new_owner uuid, new_state text) returns void
language sql volatile security definer set search_path = ''
as $$ update app.here set kind = new_kind, owner = new_owner, state = new_state $$;

-- Whether the token in the context names the tenant whose database this is.
create function app.is_at_home() returns boolean
language sql stable security definer set search_path = ''
as $$
    select h.kind <> 'tenant' or not app.claims() ? 'sub' or exists (
        select from public.organizations o
        where o.id = h.owner and o.external_id = app.named_organization()
    )
    from app.here h
$$;

create function app.refuse_second_tenant() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    if exists (select from app.here h where h.kind = 'tenant' and h.owner <> new.id) then
        raise exception 'this database belongs to another tenant' using errcode = '42501';
    end if;
    return new;
end;
$$;

-- Some tables are written outside of app.enter too, which ends all other writing.
create function app.refuse_while_moving() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    if exists (select from app.here h where h.state <> 'open') then
        raise exception 'this database is being moved' using errcode = '25006';
    end if;
    return null;
end;
$$;

create function app.find_place(organization text)
returns table (id uuid, server text, database text)
language sql stable security definer set search_path = '' rows 1
as $$
    select d.id, d.server, d.database
    from public.organizations o
    join public.tenant_databases d on d.id = o.id and d.revision is not null
    where o.external_id = organization
$$;

create function app.place_of(tenant uuid)
returns table (id uuid, server text, database text)
language sql stable security definer set search_path = '' rows 1
as $$
    select d.id, d.server, d.database
    from public.tenant_databases d where d.id = tenant and d.revision is not null
$$;

-- The same for an operator, whether it is ready or not.
create function app.known_places()
returns table (id uuid, server text, database text, revision text, error text)
language sql stable security definer set search_path = ''
as $$
    select d.id, d.server, d.database, d.revision, d.error
    from public.tenant_databases d order by d.id
$$;

-- Says where a tenant's database is to be, once: a second call finds what the first one said.
create function app.give_place(tenant uuid, new_server text, new_database text)
returns table (server text, database text)
language sql volatile security definer set search_path = '' rows 1
as $$
    insert into public.tenant_databases (id, server, database)
    values (tenant, new_server, new_database)
    on conflict (id) do nothing;
    select d.server, d.database from public.tenant_databases d where d.id = tenant
$$;

create function app.move_place(tenant uuid, new_server text, new_database text) returns void
language sql volatile security definer set search_path = ''
as $$
    update public.tenant_databases d
    set server = new_server, database = new_database, changed_at = now() where d.id = tenant
$$;

-- What a tenant's new database has to know: the organization, and who is or was a member of it before
-- there was one: who made it, and those of whom the provider has told.
create function app.founding_of(tenant uuid)
returns table (organization jsonb, members jsonb, state text, reason text)
language sql stable security definer set search_path = ''
as $$
    select to_jsonb(o),
        (
            select coalesce(jsonb_agg(to_jsonb(u) - 'id' || (to_jsonb(m) - 'id')), '[]')
            from public.memberships m join public.users u on u.id = m.user_id
            where m.org_id = o.id
        ),
        t.state, t.reason
    from public.organizations o join public.tenants t on t.id = o.id where o.id = tenant
$$;

-- In a tenant's own database: writes down the tenant, whose id the control database gave, and with
-- it, the first time, its first members.
create function app.adopt_tenant(tenant uuid, organization jsonb, members jsonb) returns void
language plpgsql security definer set search_path = ''
as $$
begin
    insert into public.organizations (id, external_id, slug, name, managed_by)
    select o.id, o.external_id, o.slug, o.name, o.managed_by
    from jsonb_populate_record(null::public.organizations, organization) o
    on conflict (id) do nothing;
    if found then
        insert into public.users (subject, email, name, salt, told_as_of, deleted_at)
        select f.subject, f.email, f.name, f.salt, f.told_as_of, f.deleted_at
        from jsonb_populate_recordset(null::public.users, members) f
        on conflict (subject) do nothing;
        insert into public.memberships (org_id, user_id, role, role_as_of, status, removed_at)
        select tenant, u.id, f.role, f.role_as_of, f.status, f.removed_at
        from jsonb_to_recordset(members) f (
            subject text, role text, role_as_of timestamptz, status text, removed_at timestamptz
        )
        join public.users u on u.subject = f.subject;
    end if;
    update app.here set kind = 'tenant', owner = tenant where kind = 'template';
    if not exists (select from app.here h where h.kind = 'tenant' and h.owner = tenant) then
        raise exception 'this database belongs to another tenant' using errcode = '42501';
    end if;
end;
$$;

-- Tenants whose database is not at the current revision; `revision` is null for those without any.
create function app.tenants_behind(current_revision text)
returns table (tenant_id uuid, revision text)
language sql stable security definer set search_path = ''
as $$
    select t.id, d.revision
    from public.tenants t
    left join public.tenant_databases d on d.id = t.id
    where (t.state <> 'deleted' or d.revision is not null)
      and d.revision is distinct from current_revision
    order by t.id
$$;

create function app.count_tenants_behind(earlier text[]) returns bigint
language sql stable security definer set search_path = ''
as $$
    select count(*)
    from public.tenants t
    left join public.tenant_databases d on d.id = t.id
    where t.state <> 'deleted'
      and (d.revision is null or string_to_array(d.revision, ' ') && earlier)
$$;

-- What became of a tenant's migration. A failed one leaves the revision as it was.
create function app.note_migration(tenant uuid, reached text, reason text) returns void
language sql volatile security definer set search_path = ''
as $$
    update public.tenant_databases d
    set revision = coalesce(reached, d.revision), error = reason, changed_at = now()
    where d.id = tenant
$$;

-- In the control database, a copy of what organizations that the product manages are called and who
-- belongs to them: what a person is shown to choose from. The proof is in the tenant's own database.
create function app.note_name(tenant uuid, new_name text) returns void
language sql volatile security definer set search_path = ''
as $$
    update public.organizations o set name = new_name where o.id = tenant and o.managed_by = 'app'
$$;

-- A role of null removes.
create function app.note_member(tenant uuid, person text, new_role text) returns void
language plpgsql security definer set search_path = ''
as $$
begin
    insert into public.users (subject) values (person) on conflict (subject) do nothing;
    insert into public.memberships as m (org_id, user_id, role, status, removed_at, chosen_at)
    select o.id, u.id, coalesce(new_role, 'viewer'),
        case when new_role is null then 'removed' else 'active' end,
        case when new_role is null then now() end, now()
    from public.organizations o, public.users u
    where o.id = tenant and o.managed_by = 'app' and u.subject = person
    on conflict (org_id, user_id) do update
        set role = coalesce(new_role, m.role), status = excluded.status,
            removed_at = excluded.removed_at;
end;
$$;

create function app.mark_tenant(tenant uuid) returns void
language sql volatile security definer set search_path = ''
as $$
    insert into app.marks (id) values (tenant)
    on conflict (id) do update set marked_at = clock_timestamp(), look_at = clock_timestamp()
$$;

-- Tenants to look at now. For the length of the lease nobody else is told of them.
create function app.take_marks(most integer, lease interval)
returns table (tenant_id uuid, marked_at timestamptz)
language sql volatile security definer set search_path = ''
as $$
    update app.marks m set look_at = clock_timestamp() + lease
    where m.id in (
        select d.id from app.marks d where d.look_at <= clock_timestamp()
        order by d.look_at limit most
        for update skip locked
    )
    returning m.id, m.marked_at
$$;

-- What a look found. A mark that was made since then stays as it is.
create function app.settle_mark(
    tenant uuid, seen_mark timestamptz, look_after interval,
    now_waiting bigint, now_delayed bigint, now_running bigint, now_dead bigint,
    now_oldest timestamptz
) returns void
language sql volatile security definer set search_path = ''
as $$
    update app.marks m
    set look_at = case
            when m.marked_at = seen_mark then clock_timestamp() + look_after else m.look_at
        end,
        waiting = now_waiting, delayed = now_delayed, running = now_running, dead = now_dead,
        oldest_due = now_oldest
    where m.id = tenant
$$;

-- A page of the tenants who may have jobs; of those who have a database. A worker goes to all of them,
-- as it relays the jobs of all.
create function app.tenants_with_jobs(after uuid, most integer) returns table (tenant_id uuid)
language sql stable security definer set search_path = ''
as $$
    select m.id from app.marks m
    where m.id > after and (m.look_at is not null or m.dead > 0) order by m.id limit most
$$;

create function app.tenants_with_databases(after uuid, most integer) returns table (tenant_id uuid)
language sql stable security definer set search_path = ''
as $$
    select d.id from public.tenant_databases d
    where d.id > after and d.revision is not null order by d.id limit most
$$;

-- What a look has to know: the jobs there are, when the next one is due, and whether somebody is
-- in the middle of a transaction, who may have made a mark and not written the job yet.
create function app.look_around(
    out waiting bigint, out delayed bigint, out running bigint, out dead bigint, out parked bigint,
    out oldest_due timestamptz, out next_due interval
)
language sql stable security definer set search_path = ''
as $$
    select count(*) filter (where app.job_state(j) = 'waiting'),
           count(*) filter (where app.job_state(j) = 'delayed'),
           count(*) filter (where app.job_state(j) in ('running', 'cancelling')),
           count(*) filter (where app.job_state(j) = 'dead'),
           count(*) filter (where app.job_state(j) = 'parked'),
           min(j.run_after) filter (where app.job_state(j) = 'waiting'),
           min(j.run_after) filter (where app.job_state(j) = 'delayed') - now()
    from app.outbox j
$$;

create or replace function app.job_counts(
    out waiting bigint, out delayed bigint, out running bigint, out dead bigint,
    out oldest double precision
)
language sql stable security definer set search_path = ''
as $$
    with found as (
        select l.waiting, l.delayed, l.running, l.dead, l.oldest_due from app.look_around() l
        union all
        select m.waiting, m.delayed, m.running, m.dead, m.oldest_due from app.marks m
    )
    select sum(f.waiting)::bigint, sum(f.delayed)::bigint, sum(f.running)::bigint,
           sum(f.dead)::bigint, coalesce(extract(epoch from now() - min(f.oldest_due)), 0)
    from found f
$$;

reset role;
revoke create on schema app from app_definer;

-- Whose transactions in this database have not ended. Each one holds its own virtual id.
create function app.open_transactions() returns text[]
language sql volatile set search_path = ''
as $$
    select coalesce(array_agg(l.virtualxid), '{}')
    from pg_catalog.pg_locks l
    join pg_catalog.pg_stat_get_activity(null) a on a.pid = l.pid
    join pg_catalog.pg_database d on d.oid = a.datid and d.datname = pg_catalog.current_database()
    where a.usesysid is not null  -- no vacuum of the server's own
      and l.locktype = 'virtualxid' and l.mode = 'ExclusiveLock' and l.pid <> pg_backend_pid()
$$;

-- A new tenant waits for its database: whoever makes databases hears of it.
create function app.call_for_database() returns trigger
language plpgsql set search_path = ''
as $$
begin
    perform pg_notify('app_tenants', new.id::text);
    return null;
end;
$$;
create trigger call_for_database after insert on public.tenants
    for each row execute function app.call_for_database();

-- As app.enter, and says whether this is the database to be in.
create function app.enter_database(
    claims text, request_id text,
    out user_id uuid, out tenant_id uuid, out role text, out known boolean,
    out obstacle text, out revision text
)
language plpgsql set search_path = ''
as $$
declare
    kind text;
    state text;
begin
    select e.user_id, e.tenant_id, e.role, e.known, e.obstacle
    into user_id, tenant_id, role, known, obstacle
    from app.enter(claims, request_id) e;
    select h.kind, h.state into kind, state from app.where_am_i() h;
    if kind = 'control' then
        if tenant_id <> '00000000-0000-0000-0000-000000000000' then
            obstacle := 'new';
        end if;
        return;
    end if;
    revision := pg_catalog.array_to_string(app.schema_versions(), ' ');
    if state = 'moved' then
        obstacle := 'moved';
        known := true;
    elsif not app.is_at_home() then
        raise exception 'this database belongs to another tenant' using errcode = '42501';
    elsif state = 'moving' then
        perform pg_catalog.set_config('transaction_read_only', 'on', true);
    end if;
end;
$$;

grant execute on function app.enter_database(text, text) to app_api, app_worker;
grant execute on function app.open_transactions() to app_worker;

do $$
begin
    execute 'set role app_definer';
    grant execute on function
        app.where_am_i(), app.is_at_home(), app.place_of(uuid), app.mark_tenant(uuid)
    to app_api, app_worker;
    grant execute on function
        app.find_place(text), app.count_tenants_behind(text[]),
        app.tenants_with_databases(uuid, integer), app.note_name(uuid, text),
        app.note_member(uuid, text, text)
    to app_api;
    grant execute on function
        app.take_marks(integer, interval), app.look_around(),
        app.tenants_with_jobs(uuid, integer), app.tenants_with_databases(uuid, integer),
        app.settle_mark(
            uuid, timestamptz, interval, bigint, bigint, bigint, bigint, timestamptz
        )
    to app_worker;
    execute format(
        'grant execute on function app.where_am_i(), app.set_here(text, uuid, text), '
        'app.known_places(), app.give_place(uuid, text, text), app.move_place(uuid, text, text), '
        'app.founding_of(uuid), app.adopt_tenant(uuid, jsonb, jsonb), app.tenants_behind(text), '
        'app.note_migration(uuid, text, text), app.mark_tenant(uuid), app.refuse_second_tenant(), '
        'app.refuse_while_moving() to %I', session_user);
    execute 'reset role';
    -- Who moves a tenant to another server takes the whole trail along: see app/tenancy/move.py.
    execute 'set role app_audit';
    create policy moved_as_a_whole on audit.events for select to app_audit using (true);
    execute 'reset role';
end;
$$;

create trigger refuse_second_tenant before insert on public.tenants
    for each row execute function app.refuse_second_tenant();
create trigger refuse_while_moving before insert or update or delete on app.outbox
    for each statement execute function app.refuse_while_moving();
create trigger refuse_while_moving before insert or update or delete on app.workers
    for each statement execute function app.refuse_while_moving();
create trigger refuse_while_moving before insert or update or delete on app.realtime_tickets
    for each statement execute function app.refuse_while_moving();
-- What operators and the provider's webhooks change would stay behind: a key that was revoked, a member
-- who was removed, a tenant that was suspended.
create trigger refuse_while_moving before insert or update or delete on app.api_keys
    for each statement execute function app.refuse_while_moving();
create trigger refuse_while_moving before insert or update or delete on public.users
    for each statement execute function app.refuse_while_moving();
create trigger refuse_while_moving before insert or update or delete on public.organizations
    for each statement execute function app.refuse_while_moving();
create trigger refuse_while_moving before insert or update or delete on public.memberships
    for each statement execute function app.refuse_while_moving();
create trigger refuse_while_moving before insert or update or delete on public.tenants
    for each statement execute function app.refuse_while_moving();
