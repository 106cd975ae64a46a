-- Keys with which programs act for the person who made them, in one tenant. A key is random, 256 bits of
-- it, so a plain hash of it is as good as a slow one: there is nothing to guess.

create table app.api_keys (
    id uuid primary key default app.uuid_v7(),
    tenant_id uuid not null,
    user_id uuid not null,
    name text not null check (length(name) between 1 and 100),
    hash bytea not null check (length(hash) = 32),
    ending text not null check (length(ending) <= 40),
    scopes text[] not null check (cardinality(scopes) > 0),
    expires_at timestamptz not null,
    revoked_at timestamptz,
    created_at timestamptz not null default now()
);
comment on table app.api_keys is 'Keys of programs. What one may do is what its person may, within its scopes.';
comment on column app.api_keys.hash is 'SHA-256 of the whole key, which is nowhere else.';
comment on column app.api_keys.ending is 'The last characters of the key, by which people know it again.';
create index api_keys_of_tenant on app.api_keys (tenant_id, id);

-- Beside the table, because this is no change that anybody has to be able to look up.
create table app.api_key_uses (
    id uuid primary key,
    tenant_id uuid not null,
    used_at timestamptz not null
);
comment on table app.api_key_uses is 'When each key was used last, to the minute.';
create index api_key_uses_of_tenant on app.api_key_uses (tenant_id, id);

alter table app.api_keys enable row level security;
alter table app.api_keys force row level security;
alter table app.api_key_uses enable row level security;
alter table app.api_key_uses force row level security;

grant select, update on app.api_keys to app_definer;
grant select, insert, update on app.api_key_uses to app_definer;
create policy definer_select on app.api_keys for select to app_definer using (true);
create policy definer_update on app.api_keys for update to app_definer
    using (true) with check (true);
create policy definer_select on app.api_key_uses for select to app_definer using (true);
create policy definer_insert on app.api_key_uses for insert to app_definer with check (true);
create policy definer_update on app.api_key_uses for update to app_definer
    using (true) with check (true);

grant create on schema app to app_definer;
set role app_definer;

-- The key that the claims present, if it is good. Both its id and its hash must fit.
create function app.presented_key()
returns table (id uuid, tenant_id uuid, user_id uuid)
language sql stable security definer set search_path = '' rows 1
as $$
    select k.id, k.tenant_id, k.user_id
    from app.api_keys k
    where k.id = (app.claims() ->> 'key_id')::uuid
      and k.hash = pg_catalog.decode(app.claims() ->> 'key_hash', 'hex')
      and k.tenant_id = (app.claims() ->> 'tenant_id')::uuid
      and k.revoked_at is null and k.expires_at > now()
      and session_user <> 'app_worker'
$$;

reset role;
revoke create on schema app from app_definer;
