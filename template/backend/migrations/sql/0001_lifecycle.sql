-- What an operator does about tenants by hand: `uv run app tenants`.

grant create on schema app to app_definer;
set role app_definer;

-- Tenants that answer to a name: our id, the provider's, or what people call them. Null asks for all.
create function app.find_tenants(named text, in_state text)
returns table (
    id uuid, external_id text, name text, state text, reason text,
    changed_at timestamptz, created_at timestamptz, unfinished_jobs bigint
)
language sql stable security definer set search_path = ''
as $$
    select t.id, l.external_id, l.name, t.state, t.reason, t.changed_at, t.created_at,
           (select count(*) from app.outbox o where o.tenant_id = t.id and o.failed_at is null)
    from public.tenants t
    join app.tenant_labels() l on l.id = t.id
    where (named is null or named in (t.id::text, l.external_id, l.name))
      and (in_state is null or t.state = in_state)
    order by t.id
$$;

-- Who is not served finds nothing from the next statement on, and keeps the jobs that wait. They are
-- given out again with the state; a worker that is about to put one aside comes before or after.
create function app.set_tenant_state(tenant uuid, new_state text, why text) returns boolean
language sql volatile security definer set search_path = ''
as $$
    select app.lock_turns(tenant, 'served');
    update app.outbox o
    set parked = false, handed_at = null, delivery = o.delivery + 1
    where new_state = 'active' and o.tenant_id = tenant and o.parked and o.failed_at is null;
    with changed as (
        update public.tenants t
        set state = new_state, reason = why, changed_at = now()
        where t.id = tenant and t.state not in (new_state, 'deleted')
        returning 1
    )
    select exists (select from changed)
$$;

reset role;
revoke create on schema app from app_definer;

do $$
begin
    execute 'set role app_definer';
    execute format(
        'grant execute on function app.find_tenants(text, text), '
        'app.set_tenant_state(uuid, text, text), app.create_tenant(text, text, text) to %I',
        session_user);
    execute 'reset role';
end;
$$;
