-- Who sees, makes and revokes keys: each person their own, and admins all of the tenant's. No key makes
-- or revokes keys, and nobody brings one back.

alter table app.api_keys
    alter tenant_id set default app.default_tenant_id(),
    alter user_id set default app.current_user_id();

grant select, insert on app.api_keys to app_api;
grant update (revoked_at) on app.api_keys to app_api;
grant select on app.api_key_uses to app_api;
create policy tenant_select on app.api_keys for select to app_api
    using (
        tenant_id = (select app.current_tenant_id())
        and (
            user_id = (select app.current_user_id())
            or (select app.current_member_role()) in ('owner', 'admin')
        )
    );
create policy tenant_insert on app.api_keys for insert to app_api
    with check (
        tenant_id = (select app.current_tenant_id())
        and user_id = (select app.current_user_id())
        and (select not app.claims() ? 'key_id')
    );
create policy tenant_update on app.api_keys for update to app_api
    using (
        tenant_id = (select app.current_tenant_id())
        and (
            user_id = (select app.current_user_id())
            or (select app.current_member_role()) in ('owner', 'admin')
        )
        and (select not app.claims() ? 'key_id')
    )
    with check (tenant_id = (select app.current_tenant_id()) and revoked_at is not null);
create policy tenant_select on app.api_key_uses for select to app_api
    using (tenant_id = (select app.current_tenant_id()));

grant create on schema app to app_definer;
set role app_definer;

-- Notes that the presented key is in use, at most once a minute, and waits for nobody.
create function app.note_key_use() returns void
language sql volatile security definer set search_path = ''
as $$
    insert into app.api_key_uses as u (id, tenant_id, used_at)
    select k.id, k.tenant_id, now() from app.presented_key() k
    where pg_catalog.current_setting('transaction_read_only') = 'off'
      and pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended(k.id::text, 0))
      and not exists (
          select from app.api_key_uses o
          where o.id = k.id and o.used_at > now() - interval '1 minute'
      )
    on conflict (id) do update set used_at = excluded.used_at
$$;

-- What an operator does about keys: `uv run app api-keys`.
create function app.keys_of(tenant uuid)
returns table (
    id uuid, name text, ending text, subject text, scopes text[], created_at timestamptz,
    used_at timestamptz, expires_at timestamptz, revoked_at timestamptz
)
language sql stable security definer set search_path = ''
as $$
    select k.id, k.name, k.ending, u.subject, k.scopes, k.created_at, s.used_at, k.expires_at,
           k.revoked_at
    from app.api_keys k
    join public.users u on u.id = k.user_id
    left join app.api_key_uses s on s.id = k.id
    where k.tenant_id = tenant
    order by k.id
$$;

create function app.revoke_key(tenant uuid, key_id uuid) returns boolean
language sql volatile security definer set search_path = ''
as $$
    with revoked as (
        update app.api_keys k set revoked_at = coalesce(k.revoked_at, now())
        where k.id = key_id and k.tenant_id = tenant
        returning 1
    )
    select exists (select from revoked)
$$;

reset role;
revoke create on schema app from app_definer;

do $$
begin
    execute 'set role app_definer';
    grant execute on function app.note_key_use() to app_api;
    execute format(
        'grant execute on function app.keys_of(uuid), app.revoke_key(uuid, uuid) to %I',
        session_user);
    execute 'reset role';
end;
$$;
