-- What an operator does with a tenant as a whole: `uv run app tenants`. Its commands log in as the role
-- that migrates, which reads no tenant's rows; to export or delete one, they act as app_operator.

select app.let_operate('public.tenants', 'id', array['select']),
       app.let_operate('app.outbox', 'tenant_id'),
       app.let_operate('app.api_keys', 'tenant_id'),
       app.let_operate('app.api_key_uses', 'tenant_id'),
       app.audit('app.api_keys', 'tenant_id', unrecorded => array['hash']);

grant create on schema app to app_definer;
set role app_definer;

-- Jobs that were parked because their tenant was not served come back with it.
create function app.set_tenant_state(tenant uuid, new_state text, why text) returns text
language plpgsql security definer set search_path = ''
as $$
declare
    before text;
begin
    perform app.lock_service(tenant);
    select t.state into before from public.tenants t where t.id = tenant for update;
    if before = 'deleted' and new_state <> 'deleted' then
        raise exception 'a deleted tenant stays deleted' using errcode = 'restrict_violation';
    end if;
    update public.tenants t
    set state = new_state,
        reason = case when t.state = new_state then coalesce(why, t.reason) else why end,
        changed_at = case when t.state = new_state then t.changed_at else now() end
    where t.id = tenant and (t.state <> new_state or why <> coalesce(t.reason, ''));
    if before = 'suspended' and new_state = 'active' then
        -- One that is locked is being claimed, by a worker that waits for this to commit.
        update app.outbox o
        set parked = false, handed_at = null, delivery = o.delivery + 1
        where o.id in (
            select p.id from app.outbox p where p.tenant_id = tenant and p.parked
            for update skip locked
        );
    end if;
    return before;
end;
$$;
comment on function app.set_tenant_state(uuid, text, text) is
    'Returns the state before; null when there is no such tenant.';

reset role;
revoke create on schema app from app_definer;

do $$
begin
    execute 'set role app_definer';
    execute format(
        'grant execute on function app.known_tenants(), app.create_tenant(text, text, text), '
        'app.set_tenant_state(uuid, text, text), app.entomb_tenant(uuid) to %I', session_user);
    execute 'reset role';
end;
$$;
