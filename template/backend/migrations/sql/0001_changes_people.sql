-- What the provider tells of people. It tells it late, twice and in any order: its clock decides, and a
-- tombstone keeps out who was deleted. Organizations, if it has any, are nothing to this product.

grant create on schema app to app_definer;
set role app_definer;

create function app.end_belonging(person uuid, address text) returns void
language sql volatile security definer set search_path = ''
as $$
    select app.set_tenant_state(t.id, 'suspended', 'deleted at the sign-in provider')
    from public.tenants t where t.id = person and t.state = 'active'
$$;

-- What speaks against erasing a person, and whether an operator may overrule it.
create function app.hindrances_to_erasure(whose text)
returns table (reason text, may_be_overruled boolean)
language sql stable security definer set search_path = ''
as $$
    select 'what is theirs is still here: first run `app tenants delete`', false
    from public.users u join public.tenants t on t.id = u.id and t.state <> 'deleted'
    where u.subject = whose
$$;

create function app.apply_change(change jsonb, request_id text) returns void
language plpgsql security definer set search_path = ''
as $$
declare
    kind text := change ->> 'type';
    told timestamptz := to_timestamp((change ->> 'as_of')::double precision);
begin
    if kind not in ('user_changed', 'user_deleted') then
        return;
    end if;
    perform set_config('request.jwt.claims', '{}', true),
            set_config('app.request_id', left(request_id, 255), true);
    insert into public.users (subject) values (change ->> 'subject')
    on conflict (subject) do nothing;
    if kind = 'user_changed' then
        update public.users u
        set email = coalesce(change ->> 'email', u.email),
            name = coalesce(left(change ->> 'name', 200), u.name), told_as_of = told
        where u.subject = change ->> 'subject' and u.deleted_at is null and u.told_as_of < told;
    else
        update public.users u set told_as_of = told
        where u.subject = change ->> 'subject' and u.deleted_at is null;
        perform app.erase_user(u.id) from public.users u where u.subject = change ->> 'subject';
    end if;
end;
$$;

reset role;
revoke create on schema app from app_definer;

do $$
begin
    execute 'set role app_definer';
    grant execute on function app.apply_change(jsonb, text) to app_api;
    execute format(
        'grant execute on function app.hindrances_to_erasure(text) to %I', session_user);
    execute 'reset role';
end;
$$;
