-- Supabase's Data API reads and writes past the product's code: as `authenticated`, in a transaction
-- whose request.jwt.claims are the token's. The policies ask the same functions there as everywhere,
-- so that it can be let in, table by table. Until then it reaches nothing.

create or replace function app.expose(
    target regclass, commands text[] default array['select']
) returns void
language plpgsql set search_path = ''
as $$
declare
    command text;
    is_mine text;
begin
    select t.is_mine into is_mine from app.tenancy() t where t.model in ('rows', 'users');
    if is_mine is null then
        raise exception 'the tables of a tenant are not where the Data API looks for them'
            using hint = 'app.expose goes with tenancy_model rows or users';
    end if;
    if not exists (
        select from pg_catalog.pg_policy p where p.polrelid = target and p.polname = 'tenant_select'
    ) then
        raise exception '% is no table of tenants: app.isolate comes first', target;
    end if;
    if to_regrole('authenticated') is null then
        return;  -- a developer's server has no Data API
    end if;
    perform app.hide(target);
    foreach command in array commands loop
        execute format('grant %s on %s to authenticated', command, target);
        execute format(
            'create policy data_api_%s on %s for %s to authenticated %s',
            command, target, command,
            case command
                when 'insert' then format('with check (%s)', is_mine)
                when 'update' then format('using (%s) with check (%s)', is_mine, is_mine)
                else format('using (%s)', is_mine)
            end
        );
    end loop;
end;
$$;
comment on function app.expose(regclass, text[]) is
    'Opens a tenant table to signed-in users of Supabase''s Data API, for these commands, which the '
    'product''s own rules then do not see.';

create or replace function app.hide(target regclass) returns void
language plpgsql set search_path = ''
as $$
declare
    policy text;
begin
    for policy in
        select p.polname from pg_catalog.pg_policy p
        where p.polrelid = target and p.polname like 'data\_api\_%'
    loop
        execute format('drop policy %I on %s', policy, target);
    end loop;
    if to_regrole('authenticated') is not null then
        execute format('revoke all on %s from authenticated', target);
    end if;
end;
$$;
comment on function app.hide(regclass) is 'Shuts a table to the Data API again.';

-- What the policies call, with the rights of who asks. None of it tells more than the own tenant.
do $$
begin
    if to_regrole('authenticated') is not null then
        grant usage on schema app to authenticated;
        grant execute on function
            app.claims(), app.default_tenant_id(), app.request_id(), app.uuid_v7()
        to authenticated;
        execute 'set role app_definer';
        grant execute on function
            app.current_access(), app.current_user_id(), app.current_tenant_id()
        to authenticated;
        execute 'reset role';
        if to_regprocedure('app.current_org_id()') is not null then
            execute 'grant execute on function app.current_org_id() to authenticated';
        end if;
    end if;
end;
$$;
