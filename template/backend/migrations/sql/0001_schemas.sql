-- Tenancy by schemas: an organization has a schema and, of the same name, a role that cannot log in.
-- A session takes on that role, and finds that schema, for one transaction. What the logins may do by
-- themselves ends at the control tables: a session that forgot to say who asks reads nothing.

do $$
begin
    create role app_tenant nologin;
exception when duplicate_object or unique_violation then
    null;
end;
$$;
comment on role app_tenant is 'What every tenant''s role may do in the control tables.';

-- A login that inherited what its tenants may do would need to take on no role.
alter role app_api noinherit;
alter role app_worker noinherit;

create function app.tenancy(out model text, out tenant_column text, out is_mine text)
language sql immutable
return row('schemas'::text, 'org_id'::text, 'org_id = (select app.current_org_id())'::text);

-- The schema's name is the role's: a table is its schema's tenant's.
create function app.roles_of(target regclass) returns text
language sql stable
return (
    select format('%I', n.nspname)
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = target
);

create function app.schema_of(tenant uuid) returns text
language sql immutable
return 'tenant_' || replace(tenant::text, '-', '');

create table public.tenant_schemas (
    id uuid primary key references public.tenants (id),
    revision text,
    error text,
    changed_at timestamptz not null default now()
);
comment on table public.tenant_schemas is 'Which migration each tenant''s own tables came to.';
comment on column public.tenant_schemas.error is 'Why the migration of this tenant failed last.';
alter table public.tenant_schemas enable row level security;
alter table public.tenant_schemas force row level security;
grant select, insert, update on public.tenant_schemas to app_definer;
create policy definer_select on public.tenant_schemas for select to app_definer using (true);
create policy definer_insert on public.tenant_schemas for insert to app_definer with check (true);
create policy definer_update on public.tenant_schemas for update to app_definer
    using (true) with check (true);
select app.audit('public.tenant_schemas', 'id');

grant create on schema app to app_definer;
alter function app.give_turn() security definer;
alter function app.give_turn() owner to app_definer;
set role app_definer;

create function app.revision_of(tenant uuid) returns text
language sql stable security definer set search_path = ''
as $$ select s.revision from public.tenant_schemas s where s.id = tenant $$;

-- The job that this session runs. Its row is the one that a tenant's role may change.
create function app.current_job_id() returns uuid
language sql stable security definer set search_path = ''
as $$
    select j.id from app.outbox j
    where j.id = (app.claims() ->> 'job_id')::uuid
      and j.worker_id = (app.claims() ->> 'worker_id')::uuid
      and pg_has_role(session_user, 'app_worker', 'member')
$$;

-- Tenants whose tables are not at the current revision yet; `revision` is null for those without any.
create function app.tenants_behind(current_revision text)
returns table (tenant_id uuid, revision text)
language sql stable security definer set search_path = ''
as $$
    select t.id, s.revision
    from public.tenants t
    left join public.tenant_schemas s on s.id = t.id
    where t.state <> 'deleted' and s.revision is distinct from current_revision
    order by t.id
$$;

create function app.count_tenants_behind(earlier text[]) returns bigint
language sql stable security definer set search_path = ''
as $$
    select count(*)
    from public.tenants t
    left join public.tenant_schemas s on s.id = t.id
    where t.state <> 'deleted' and (s.revision is null or s.revision = any(earlier))
$$;

-- What became of a tenant's migration. A failed one leaves the revision as it was.
create function app.note_migration(tenant uuid, reached text, reason text) returns void
language sql volatile security definer set search_path = ''
as $$
    insert into public.tenant_schemas as s (id, revision, error) values (tenant, reached, reason)
    on conflict (id) do update
        set revision = coalesce(excluded.revision, s.revision), error = excluded.error,
            changed_at = now()
$$;

reset role;
revoke create on schema app from app_definer;

-- A new tenant waits for its schema: whoever makes schemas hears of it.
create function app.call_for_schema() returns trigger
language plpgsql set search_path = ''
as $$
begin
    perform pg_notify('app_tenants', new.id::text);
    return null;
end;
$$;
create trigger call_for_schema after insert on public.tenants
    for each row execute function app.call_for_schema();

-- Whether this session may take on a tenant's role. The server remembers whose member a login is. What
-- it remembers lacks, until somebody is granted a role again, one that was granted while it looked. Asked
-- about another member, it forgets.
create function app.may_become(place regrole) returns boolean
language plpgsql set search_path = ''
as $$
declare
    how text := case when current_setting('server_version_num')::integer < 160000
        then 'MEMBER' else 'SET' end;
begin
    if pg_has_role(session_user, place, how) then
        return true;
    end if;
    perform pg_has_role('app_tenant', place, how);
    return pg_has_role(session_user, place, how);
end;
$$;

-- As app.enter, and takes on the tenant's role and schema. It has no search_path of its own, because
-- that would be put back on the way out.
create function app.enter_schema(
    claims text, request_id text,
    out user_id uuid, out tenant_id uuid, out role text, out known boolean,
    out obstacle text, out revision text
)
language plpgsql
as $$
begin
    select e.user_id, e.tenant_id, e.role, e.known, e.obstacle
    into user_id, tenant_id, role, known, obstacle
    from app.enter(claims, request_id) e;
    if tenant_id is null or tenant_id = '00000000-0000-0000-0000-000000000000' then
        return;
    end if;
    if not known and app.claims() ? 'sub' then
        -- The login, not the tenant's role, writes down what the token says; then it asks again.
        return;
    end if;
    revision := app.revision_of(tenant_id);
    if revision is null or app.may_become(to_regrole(app.schema_of(tenant_id))) is not true then
        obstacle := 'new';
        return;
    end if;
    perform pg_catalog.set_config('role', app.schema_of(tenant_id), true),
            pg_catalog.set_config('search_path', app.schema_of(tenant_id) || ', public', true);
end;
$$;

-- What a tenant's role may do in the control tables, over and above nothing.
grant usage on schema app to app_tenant;
grant select on public.users, public.organizations, public.memberships to app_tenant;
alter policy own_organization on public.organizations to app_api, app_worker, app_tenant;
alter policy tenant_select on public.memberships to app_api, app_worker, app_tenant;
alter policy self_and_colleagues on public.users to app_api, app_worker, app_tenant;

grant select, insert, update on public.invitations to app_tenant;
alter policy tenant_select on public.invitations to app_api, app_worker, app_tenant;
alter policy tenant_insert on public.invitations to app_api, app_tenant;
alter policy tenant_update on public.invitations to app_api, app_worker, app_tenant;

grant insert, select, delete on app.outbox to app_tenant;
grant update (
    attempts, delivery, run_after, handed_at, parked, worker_id, started_at, cancelled_at,
    failed_at, error
) on app.outbox to app_tenant;
alter policy tenant_insert on app.outbox to app_api, app_worker, app_tenant;
alter policy tenant_select on app.outbox to app_api, app_tenant;
create policy own_job_update on app.outbox for update to app_tenant
    using (tenant_id = (select app.current_tenant_id()) and id = (select app.current_job_id()))
    with check (tenant_id = (select app.current_tenant_id()));
create policy own_job_delete on app.outbox for delete to app_tenant
    using (tenant_id = (select app.current_tenant_id()) and id = (select app.current_job_id()));

grant insert on app.realtime_tickets to app_tenant;
create policy ticket_of_a_person on app.realtime_tickets for insert to app_tenant
    with check (
        tenant_id = (select app.current_tenant_id()) and user_id = (select app.current_user_id())
        and (select pg_has_role(session_user, 'app_api', 'member'))
    );

grant select, insert on app.api_keys to app_tenant;
grant update (revoked_at) on app.api_keys to app_tenant;
grant select on app.api_key_uses to app_tenant;
alter policy tenant_select on app.api_keys to app_api, app_tenant;
alter policy tenant_insert on app.api_keys to app_api, app_tenant;
alter policy tenant_update on app.api_keys to app_api, app_tenant;
alter policy tenant_select on app.api_key_uses to app_api, app_tenant;

grant execute on function
    app.uuid_v7(), app.uuid_v7_nth(uuid, bigint), app.claims(), app.request_id(), app.new_salt(),
    app.salted_digest(bytea, text), app.default_tenant_id(), app.claimed_organization(),
    app.named_organization(),
    app.current_org_id(), app.job_state(app.outbox), app.forgettable(), app.finish_job(uuid, uuid),
    app.retry_job(uuid, uuid, interval, text), app.bury_job(uuid, uuid, text)
to app_tenant;
grant execute on function
    app.enter_schema(text, text), app.schema_of(uuid), app.may_become(regrole)
to app_api, app_worker;

do $$
begin
    execute 'set role app_definer';
    grant execute on function
        app.current_access(), app.current_user_id(), app.current_tenant_id(),
        app.current_member_role(), app.current_key_id(), app.current_job_id(), app.cancel_job(uuid),
        app.note_key_use(), app.rename_organization(text), app.change_member(uuid, text), app.my_membership_id()
    to app_tenant;
    grant execute on function app.revision_of(uuid) to app_api, app_worker;
    grant execute on function app.count_tenants_behind(text[]) to app_api;
    execute format(
        'grant execute on function app.tenants_behind(text), '
        'app.note_migration(uuid, text, text), app.revision_of(uuid) to %I', session_user);
    execute 'reset role';
    execute 'set role app_audit';
    grant usage on schema audit to app_tenant;
    grant select on audit.events to app_tenant;
    grant execute on function audit.record_event(text, jsonb) to app_tenant;
    alter policy read_by_admins on audit.events to app_api, app_tenant;
    execute 'reset role';
end;
$$;
