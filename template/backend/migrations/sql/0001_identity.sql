-- The audit trail holds no person's name or address, because nothing in it can be erased. It holds digests,
-- which tell that one was changed, and confirm what it was to whoever has the salt as well. With the
-- salt, what the trail knew of a person is gone, and not a byte of the trail has changed.
create function app.new_salt() returns bytea
language sql volatile
return sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- Immutable, though convert_to is not: the encoding of a database stays what it is.
create function app.salted_digest(salt bytea, value text) returns text
language sql immutable parallel safe
return encode(sha256(salt || convert_to(value, 'UTF8')), 'hex');

grant execute on function app.new_salt(), app.salted_digest(bytea, text)
to app_api, app_worker, app_definer;

create table public.users (
    id uuid primary key default app.uuid_v7(),
    subject text not null unique check (length(subject) between 1 and 255),
    email text check (length(email) <= 320),
    name text check (length(name) <= 200),
    salt bytea default app.new_salt() check (length(salt) = 32),
    email_digest text generated always as (app.salted_digest(salt, email)) stored,
    name_digest text generated always as (app.salted_digest(salt, name)) stored,
    told_as_of timestamptz not null default '-infinity',
    deleted_at timestamptz,
    created_at timestamptz not null default now(),
    check (deleted_at is null or num_nonnulls(email, name, salt) = 0)
);
comment on column public.users.email_digest is 'What the audit trail records in place of the address.';
comment on column public.users.name_digest is 'What the audit trail records in place of the name.';
comment on column public.users.told_as_of is
    'The provider''s clock when it last told of this person by itself: older news change nothing.';
comment on column public.users.deleted_at is
    'Since when the provider knows nobody of this id. The row stays as a tombstone: without it, a token '
    'that is still valid would make the person anew.';
comment on table public.users is 'People, by the id that the sign-in provider gave them.';

create table public.tenants (
    id uuid primary key,
    state text not null default 'active' check (state in ('active', 'suspended', 'deleted')),
    reason text check (length(reason) <= 500),
    changed_at timestamptz not null default now(),
    created_at timestamptz not null default now()
);
comment on table public.tenants is
    'Whoever owns rows, and whether they are served. A deleted tenant stays as a tombstone: '
    'without it, a token that is still valid would bring it back.';
comment on column public.tenants.reason is 'Why its state was changed last, in an operator''s words.';

alter table public.users enable row level security;
alter table public.users force row level security;
alter table public.tenants enable row level security;
alter table public.tenants force row level security;

grant select, insert, update on public.users, public.tenants to app_definer;
create policy definer_select on public.users for select to app_definer using (true);
create policy definer_insert on public.users for insert to app_definer with check (true);
create policy definer_update on public.users for update to app_definer using (true) with check (true);
create policy definer_select on public.tenants for select to app_definer using (true);
create policy definer_insert on public.tenants for insert to app_definer with check (true);
create policy definer_update on public.tenants for update to app_definer
    using (true) with check (true);

-- Whoever comes to own rows is a tenant, however their row was made.
create function app.register_tenant() returns trigger
language plpgsql set search_path = ''
as $$
begin
    insert into public.tenants (id) values (new.id);
    return null;
end;
$$;

grant usage on schema app_migrations to app_definer;
grant select on app_migrations.alembic_version to app_definer;
grant create on schema app to app_definer;
set role app_definer;

-- These functions look behind policies, so they belong to a role that owns no table and reads the
-- identity tables through policies of its own.

-- Which migrations came last: a process asks before it serves.
create function app.schema_versions() returns text[]
language sql stable security definer set search_path = ''
as $$ select array_agg(version_num::text order by version_num) from app_migrations.alembic_version $$;

-- The person whom a verified token describes, made on first sight.
create function app.sign_in_user() returns uuid
language plpgsql security definer set search_path = ''
as $$
declare
    token jsonb := app.claims();
    person uuid;
begin
    insert into public.users as u (subject, email, name)
    values (token ->> 'sub', token ->> 'email', left(token ->> 'name', 200))
    on conflict (subject) do update
        set email = coalesce(excluded.email, u.email), name = coalesce(excluded.name, u.name)
        where u.deleted_at is null
          and (coalesce(excluded.email, u.email), coalesce(excluded.name, u.name))
            is distinct from (u.email, u.name);
    select u.id into person from public.users u
    where u.subject = token ->> 'sub' and u.deleted_at is null;
    return person;
end;
$$;

-- A job that a schedule made belongs to nobody, and is always served.
create function app.is_served(tenant uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
    select tenant = '00000000-0000-0000-0000-000000000000'
        or exists (select from public.tenants t where t.id = tenant and t.state = 'active')
$$;

-- The job that the claims name, if its worker runs it now. One that was taken for dead, and whose job was
-- given to another, finds nothing any more.
create function app.presented_job()
returns table (tenant_id uuid, user_id uuid, subject text, api_key_id uuid)
language sql stable security definer set search_path = '' rows 1
as $$
    select j.tenant_id, j.user_id, u.subject, j.api_key_id
    from app.outbox j
    left join public.users u on u.id = j.user_id
    where j.id = (app.claims() ->> 'job_id')::uuid
      and j.worker_id = (app.claims() ->> 'worker_id')::uuid
      and pg_has_role(session_user, 'app_worker', 'member')
      and app.is_served(j.tenant_id)
$$;

-- A job goes on in the name of the key that asked for it, and so do the jobs that it asks for.
create function app.current_key_id() returns uuid
language sql stable security definer set search_path = ''
as $$
    select case
        when app.claims() ? 'key_id' then (app.claims() ->> 'key_id')::uuid
        when app.claims() ? 'job_id' then (select j.api_key_id from app.presented_job() j)
    end
$$;

reset role;
revoke create on schema app from app_definer;
