-- Messages of the sign-in provider: which were dealt with, and which could not be.

create table app.webhook_messages (
    id text primary key check (length(id) between 1 and 255),
    received_at timestamptz not null default now(),
    body text,
    reason text check ((reason is null) = (body is null))
);
comment on table app.webhook_messages is
    'Messages by the sender''s id. With a body: one that could not be applied, for an operator to see.';
create index webhook_messages_received on app.webhook_messages (received_at);
alter table app.webhook_messages enable row level security;
alter table app.webhook_messages force row level security;
grant select, insert, update, delete on app.webhook_messages to app_definer;
create policy definer_select on app.webhook_messages for select to app_definer using (true);
create policy definer_insert on app.webhook_messages for insert to app_definer with check (true);
create policy definer_update on app.webhook_messages for update to app_definer
    using (true) with check (true);
create policy definer_delete on app.webhook_messages for delete to app_definer using (true);

grant create on schema app to app_definer;
set role app_definer;

create function app.is_message_done(message text) returns boolean
language sql stable security definer set search_path = ''
as $$ select exists (select from app.webhook_messages m where m.id = message and m.body is null) $$;

create function app.note_message(message text, new_body text, new_reason text) returns void
language sql volatile security definer set search_path = ''
as $$
    insert into app.webhook_messages as m (id, body, reason)
    values (message, new_body, left(new_reason, 500))
    on conflict (id) do update set body = excluded.body, reason = excluded.reason
        where m.body is not null
$$;

-- A signature is good for minutes, and senders try for days; what could not be applied stays.
create function app.purge_messages() returns bigint
language sql volatile security definer set search_path = ''
as $$
    with gone as (
        delete from app.webhook_messages m
        where m.body is null and m.received_at < now() - interval '14 days' returning 1
    )
    select count(*) from gone
$$;

-- What an operator does about messages: `uv run app webhooks`.
create function app.dead_messages()
returns table (id text, received_at timestamptz, reason text, body text)
language sql stable security definer set search_path = ''
as $$
    select m.id, m.received_at, m.reason, m.body
    from app.webhook_messages m where m.body is not null order by m.received_at
$$;

create function app.drop_message(message text) returns boolean
language sql volatile security definer set search_path = ''
as $$
    with gone as (
        update app.webhook_messages m set body = null, reason = null
        where m.id = message and m.body is not null returning 1
    )
    select exists (select from gone)
$$;

reset role;
revoke create on schema app from app_definer;

do $$
begin
    execute 'set role app_definer';
    grant execute on function
        app.is_message_done(text), app.note_message(text, text, text)
    to app_api;
    grant execute on function app.purge_messages() to app_worker;
    execute format(
        'grant execute on function app.dead_messages(), app.drop_message(text) to %I',
        session_user);
    execute 'reset role';
end;
$$;
