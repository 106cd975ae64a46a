-- Tenants are the people themselves.

create trigger register_tenant after insert on public.users
    for each row execute function app.register_tenant();

grant create on schema app to app_definer;
set role app_definer;

-- Everything there is to know about who is asking, in one look. No row: nobody we know. A worker has
-- no token: it claims a job, and the proof is that it runs that job now. A worker that was taken for
-- dead, and whose job was given to another, sees nothing any more.
create function app.current_access()
returns table (user_id uuid, subject text, tenant_id uuid, role text, role_as_of timestamptz)
language sql stable security definer set search_path = '' rows 1
as $$
    select t.id, u.subject, t.id, case when t.id is not null then 'owner' end, null::timestamptz
    from public.users u
    left join public.tenants t on t.id = u.id and t.state = 'active'
    where u.subject = app.claims() ->> 'sub' and session_user <> 'app_worker'
    union all
    select j.user_id, u.subject, j.tenant_id, 'worker', null
    from app.outbox j
    left join public.users u on u.id = j.user_id
    where j.id = (app.claims() ->> 'job_id')::uuid
      and j.worker_id = (app.claims() ->> 'worker_id')::uuid
      and pg_has_role(session_user, 'app_worker', 'member')
      and app.is_served(j.tenant_id)
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

-- How a tenant is called: by the provider, and by people.
create function app.tenant_labels() returns table (id uuid, external_id text, name text)
language sql stable security definer set search_path = ''
as $$ select u.id, u.subject, u.email from public.users u $$;

-- A tenant before they have signed in; null if there is one with this id already.
create function app.create_tenant(external text, label text, full_name text) returns uuid
language sql volatile security definer set search_path = ''
as $$
    insert into public.users (subject, email, name) values (external, label, full_name)
    on conflict (subject) do nothing
    returning id
$$;

create function app.sign_in() returns void
language sql volatile security definer set search_path = ''
as $$ select app.sign_in_user() $$;

reset role;
revoke create on schema app from app_definer;

-- Whether the token says something that the tables do not say yet. A person has one role: their own
-- master.
create function app.token_is_news(role text, role_as_of timestamptz) returns boolean
language sql immutable
return false;
