-- What browsers are told: the latest events of each tenant, to be heard and to be replayed.

create table if not exists app.event_streams (
    tenant_id uuid primary key,
    position bigint not null,
    published bigint not null
);
comment on table app.event_streams is
    'How far the events of each tenant have come. Its row is locked until an event''s commit: '
    'so the order of positions is the order of commits.';

create table if not exists app.events (
    tenant_id uuid not null,
    position bigint not null,
    previous bigint not null,
    type text not null check (length(type) between 1 and 200),
    data jsonb not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, position)
);
comment on column app.events.position is
    'Unix milliseconds, or one more than the last: no number comes twice, not even after a restore '
    'of an older backup.';
comment on column app.events.previous is
    'The position of the event before, 0 for the first: whoever finds another one there knows that '
    'something is missing.';
create index if not exists events_expired on app.events (created_at);

alter table app.event_streams enable row level security;
alter table app.event_streams force row level security;
alter table app.events enable row level security;
alter table app.events force row level security;

grant select, insert, update on app.event_streams to app_definer;
grant select, insert, update, delete on app.events to app_definer;
drop policy if exists definer_select on app.event_streams;
create policy definer_select on app.event_streams for select to app_definer using (true);
drop policy if exists definer_insert on app.event_streams;
create policy definer_insert on app.event_streams for insert to app_definer with check (true);
drop policy if exists definer_update on app.event_streams;
create policy definer_update on app.event_streams for update to app_definer
    using (true) with check (true);
drop policy if exists definer_select on app.events;
create policy definer_select on app.events for select to app_definer using (true);
drop policy if exists definer_insert on app.events;
create policy definer_insert on app.events for insert to app_definer with check (true);
-- Only to lock what it clears up.
drop policy if exists definer_update on app.events;
create policy definer_update on app.events for update to app_definer using (true) with check (false);
drop policy if exists definer_delete on app.events;
create policy definer_delete on app.events for delete to app_definer using (true);

-- A tenant that is deleted takes its events along.
select app.let_operate('app.events', 'tenant_id'),
       app.let_operate('app.event_streams', 'tenant_id');

grant create on schema app to app_definer;
set role app_definer;

-- The logins hold no privilege on the tables: these functions are the only way to them. A session in
-- which the database knows who is asking gets its own tenant and no other. A session without
-- claims is a process that carries the events of all: it gets those that it names.
create or replace function app.refuse_other_tenants(tenants uuid[]) returns void
language plpgsql stable set search_path = ''
as $$
begin
    if app.claims() <> '{}' and tenants is distinct from array[app.current_tenant_id()] then
        raise exception 'a session with claims reaches only the events of its own tenant'
            using errcode = 'insufficient_privilege';
    end if;
end;
$$;

-- Called after the commit of what it reports, in a transaction of its own: NOTIFY makes the commits
-- of all notifying transactions of the server take turns. Everybody on the database may listen, so
-- the notification says whose event it is and which one stood before it, and nothing else.
create or replace function app.publish_event(tenant uuid, event_type text, event_data jsonb) returns bigint
language plpgsql volatile security definer set search_path = ''
as $$
declare
    stands_before bigint;
    stands_at bigint;
    nth bigint;
begin
    perform app.refuse_other_tenants(array[tenant]);
    insert into app.event_streams as s (tenant_id, position, published) values (tenant, 0, 0)
    on conflict (tenant_id) do nothing;
    select s.position, s.published + 1 into stands_before, nth
    from app.event_streams s where s.tenant_id = tenant
    for update;
    stands_at := greatest(
        stands_before + 1, floor(extract(epoch from clock_timestamp()) * 1000)::bigint
    );
    update app.event_streams s set position = stands_at, published = nth where s.tenant_id = tenant;
    insert into app.events (tenant_id, position, previous, type, data)
    values (tenant, stands_at, stands_before, event_type, event_data);
    -- KEPT_EVENTS and KEPT_SECONDS of app/realtime/events.py. One in a hundred publishers clears up
    -- after all, and does not wait for another one that does.
    if nth % 100 = 0 then
        delete from app.events e
        where e.tenant_id = tenant and e.position <= (
            select k.position from app.events k where k.tenant_id = tenant
            order by k.position desc offset 1000 limit 1
        );
        delete from app.events e
        where (e.tenant_id, e.position) in (
            select x.tenant_id, x.position from app.events x
            where x.created_at < now() - interval '24 hours'
            order by x.created_at limit 1000
            for update skip locked
        );
    end if;
    perform pg_notify('app_realtime', tenant || ' ' || stands_before);
    return stands_at;
end;
$$;

-- The events of each tenant after a position of its own, `at_most` of them in all: those of the
-- tenant that was named first come first.
create or replace function app.events_after(tenants uuid[], positions bigint[], at_most integer)
returns table (tenant_id uuid, "position" bigint, previous bigint, type text, data text)
language plpgsql stable security definer set search_path = ''
as $$
begin
    perform app.refuse_other_tenants(tenants);
    return query
        select e.tenant_id, e.position, e.previous, e.type, e.data::text
        from unnest(tenants, positions) with ordinality w (tenant, after, nth)
        cross join lateral (
            select * from app.events x
            where x.tenant_id = w.tenant and x.position > w.after
            order by x.position limit at_most
        ) e
        order by w.nth, e.position
        limit at_most;
end;
$$;

create or replace function app.last_event(tenant uuid) returns bigint
language plpgsql stable security definer set search_path = ''
as $$
begin
    perform app.refuse_other_tenants(array[tenant]);
    return coalesce((select s.position from app.event_streams s where s.tenant_id = tenant), 0);
end;
$$;

grant execute on function
    app.publish_event(uuid, text, jsonb), app.events_after(uuid[], bigint[], integer),
    app.last_event(uuid)
to app_api, app_worker;

reset role;
revoke create on schema app from app_definer;
