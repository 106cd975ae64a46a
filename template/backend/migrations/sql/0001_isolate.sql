-- One policy per command compares the tenant column with what the database has proven. The
-- comparison is wrapped in a SELECT so that the planner evaluates it once per statement and not once
-- per row.
create function app.isolate(
    target regclass,
    commands text[] default array['select', 'insert', 'update', 'delete']
) returns void
language plpgsql set search_path = ''
as $$
declare
    command text;
    roles constant text := app.roles_of(target);
    tenant_column text;
    is_mine text;
begin
    select t.tenant_column, t.is_mine into tenant_column, is_mine from app.tenancy() t;
    execute format('alter table %s enable row level security', target);
    execute format('alter table %s force row level security', target);
    foreach command in array commands loop
        execute format('grant %s on %s to %s', command, target, roles);
        execute format(
            'create policy tenant_%s on %s for %s to %s %s',
            command, target, command, roles,
            case command
                when 'insert' then format('with check (%s)', is_mine)
                when 'update' then format('using (%s) with check (%s)', is_mine, is_mine)
                else format('using (%s)', is_mine)
            end
        );
    end loop;
    perform app.let_operate(target, tenant_column);
    perform app.audit(target, tenant_column);
end;
$$;
comment on function app.isolate(regclass, text[]) is
    'Makes a table a tenant table: grants, policies, FORCE and the audit triggers.';

-- What `app tenants` may do with a table: see, and delete, the rows of the one tenant that it names.
create function app.let_operate(
    target regclass, tenant_column text, commands text[] default array['select', 'delete']
) returns void
language plpgsql set search_path = ''
as $$
declare
    command text;
begin
    execute (
        select format('grant usage on schema %I to app_operator', n.nspname)
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.oid = target
    );
    foreach command in array commands loop
        execute format('grant %s on %s to app_operator', command, target);
        execute format('drop policy if exists operator_%s on %s', command, target);
        execute format(
            'create policy operator_%s on %s for %s to app_operator '
            'using (%I = (select app.operated_tenant_id()))',
            command, target, command, tenant_column
        );
    end loop;
end;
$$;
