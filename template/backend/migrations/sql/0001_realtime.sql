-- A browser cannot send its token when it opens a WebSocket. It sends a ticket instead: random,
-- stored hashed, good for one connection within seconds.

create table app.realtime_tickets (
    hash bytea primary key check (length(hash) = 32),
    tenant_id uuid not null default app.default_tenant_id(),
    user_id uuid not null default app.current_user_id(),
    claims jsonb not null,
    token_expires_at timestamptz not null,
    expires_at timestamptz not null
);
create index realtime_tickets_expired on app.realtime_tickets (expires_at);
alter table app.realtime_tickets enable row level security;
alter table app.realtime_tickets force row level security;

grant insert on app.realtime_tickets to app_api;
create policy tenant_insert on app.realtime_tickets for insert to app_api
    with check (
        tenant_id = (select app.current_tenant_id()) and user_id = (select app.current_user_id())
    );

grant select, delete on app.realtime_tickets to app_definer;
create policy definer_select on app.realtime_tickets for select to app_definer using (true);
create policy definer_delete on app.realtime_tickets for delete to app_definer using (true);

grant create on schema app to app_definer;
set role app_definer;

-- Spent by the act of looking: two connections can never share a ticket.
create function app.redeem_ticket(ticket_hash bytea)
returns table (claims jsonb, token_expires_at timestamptz)
language sql volatile security definer set search_path = '' rows 1
as $$
    with spent as (
        delete from app.realtime_tickets t where t.hash = ticket_hash
        returning t.claims, t.token_expires_at, t.expires_at
    )
    select s.claims, s.token_expires_at from spent s where s.expires_at > now()
$$;

create function app.purge_tickets() returns bigint
language sql volatile security definer set search_path = ''
as $$
    with gone as (
        delete from app.realtime_tickets where expires_at < now() - interval '1 minute' returning 1
    )
    select count(*) from gone
$$;

reset role;
revoke create on schema app from app_definer;
