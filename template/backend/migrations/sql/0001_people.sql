-- Tenants are the people themselves.

create trigger register_tenant after insert on public.users
    for each row execute function app.register_tenant();

grant create on schema app to app_definer;
set role app_definer;

-- Everything there is to know about who is asking, in one look. All of it null: nobody we know. A worker has
-- no token: it claims a job, and the proof is that it runs that job now.
create function app.current_access(
    out user_id uuid, out subject text, out tenant_id uuid, out role text,
    out role_as_of timestamptz
)
language plpgsql stable security definer set search_path = ''
as $$
declare
    asked jsonb := app.claims();
begin
    -- One look, not one at every kind of claims: this runs several times in each request.
    if asked ? 'sub' then
        select t.id, u.subject, t.id, case when t.id is not null then 'owner' end
        into user_id, subject, tenant_id, role
        from public.users u
        left join public.tenants t on t.id = u.id and t.state = 'active'
        where u.subject = asked ->> 'sub' and u.deleted_at is null
          and session_user <> 'app_worker';
    elsif asked ? 'key_id' then
        select t.id, u.subject, t.id, 'owner' into user_id, subject, tenant_id, role
        from app.presented_key() k
        join public.users u on u.id = k.user_id
        join public.tenants t on t.id = k.tenant_id and t.id = u.id and t.state = 'active';
    elsif asked ? 'job_id' then
        select j.user_id, j.subject, j.tenant_id, 'worker'
        into user_id, subject, tenant_id, role
        from app.presented_job() j;
    end if;
end;
$$;
comment on function app.current_access() is
    'The claim chooses, the database proves: a tenant comes back only where the person (or, for a '
    'worker, a job that it runs) exists at this moment, and is served.';

-- Why a person finds nothing: their state, when they are not served.
create function app.obstacle() returns text
language sql stable security definer set search_path = ''
as $$
    select t.state
    from public.users u
    join public.tenants t on t.id = u.id and t.state <> 'active'
    where u.subject = app.claims() ->> 'sub'
$$;

create function app.sign_in() returns void
language sql volatile security definer set search_path = ''
as $$ select app.sign_in_user() $$;

-- What an operator does by hand: `uv run app tenants`.
create function app.known_tenants()
returns table (
    id uuid, external_id text, label text, name text, state text, reason text,
    since timestamptz, created_at timestamptz
)
language sql stable security definer set search_path = ''
as $$
    select u.id, u.subject, u.email, u.name, t.state, t.reason, t.changed_at, t.created_at
    from public.users u join public.tenants t on t.id = u.id
    order by t.id
$$;

create function app.create_tenant(new_external_id text, label text, new_name text) returns uuid
language sql volatile security definer set search_path = ''
as $$
    insert into public.users (subject, email, name) values (new_external_id, label, new_name)
    on conflict (subject) do nothing
    returning id
$$;

-- What stays of a deleted person: that they were, by their ids.
create function app.entomb_tenant(tenant uuid) returns void
language plpgsql security definer set search_path = ''
as $$
begin
    if not exists (select from public.tenants t where t.id = tenant and t.state = 'deleted') then
        raise exception '% is not deleted', tenant;
    end if;
    perform app.erase_user(tenant);
end;
$$;

reset role;
revoke create on schema app from app_definer;

-- Whether the token says something that the tables do not say yet. A person has one role: their own
-- master.
create function app.token_is_news(role text, role_as_of timestamptz) returns boolean
language sql immutable
return false;
