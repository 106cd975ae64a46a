-- Organizations that the product itself manages: who may make one, and who may change its members.
-- The rules stand here, so that no caller can forget one. A function answers with a word: `done`, or
-- what is in the way.

grant create on schema app to app_definer;
set role app_definer;

-- A new organization with the caller as its owner; null if they own as many as they may.
create function app.create_organization(new_name text, most bigint) returns uuid
language plpgsql security definer set search_path = ''
as $$
declare
    person uuid := app.current_user_id();
    made uuid := app.uuid_v7();
    wish text := coalesce(nullif(btrim(left(
        regexp_replace(lower(new_name), '[^a-z0-9]+', '-', 'g'), 40), '-'), ''), 'organization');
begin
    perform from public.users u where u.id = person for update;
    if not found or most <= (
        select count(*)
        from public.memberships m
        join public.organizations o on o.id = m.org_id and o.managed_by = 'app'
        join public.tenants t on t.id = o.id and t.state <> 'deleted'
        where m.user_id = person and m.status = 'active' and m.role = 'owner'
    ) then
        return null;
    end if;
    -- Random, not counted: a number would tell how many others had the same wish.
    if exists (select from public.organizations o where o.slug = wish and o.managed_by = 'app') then
        wish := wish || '-' || right(made::text, 6);
    end if;
    insert into public.organizations (id, external_id, slug, name, managed_by)
    values (made, made::text, wish, new_name, 'app');
    insert into public.memberships (org_id, user_id, role, chosen_at)
    values (made, person, 'owner', now());
    return made;
end;
$$;

-- The organizations that the product manages and the caller belongs to, wherever they work now.
create function app.my_organizations()
returns table (id uuid, slug text, name text, role text, chosen_at timestamptz, created_at timestamptz)
language sql stable security definer set search_path = ''
as $$
    select o.id, o.slug, o.name, m.role, m.chosen_at, o.created_at
    from public.memberships m
    join public.organizations o on o.id = m.org_id and o.managed_by = 'app'
    join public.tenants t on t.id = o.id and t.state = 'active'
    where m.user_id = app.current_user_id() and m.status = 'active'
$$;

create function app.choose_organization(chosen uuid) returns boolean
language sql volatile security definer set search_path = ''
as $$
    with changed as (
        update public.memberships m set chosen_at = clock_timestamp()
        where m.org_id = chosen and m.user_id = app.current_user_id()
          and chosen in (select o.id from app.my_organizations() o)
        returning 1
    )
    select exists (select from changed)
$$;

create function app.rename_organization(new_name text) returns text
language plpgsql security definer set search_path = ''
as $$
begin
    if coalesce(app.current_member_role(), '') not in ('owner', 'admin') then
        return 'not_allowed';
    end if;
    update public.organizations o set name = new_name
    where o.id = app.current_tenant_id() and o.managed_by = 'app';
    return case when found then 'done' else 'managed_by_provider' end;
end;
$$;

-- Changes a member's role, or removes them where `new_role` is null. Members may remove themselves;
-- otherwise it takes an admin, and an owner for whatever has to do with owners.
create function app.change_member(member uuid, new_role text) returns text
language plpgsql security definer set search_path = ''
as $$
declare
    organization uuid := app.current_tenant_id();
    caller text;
    target public.memberships;
begin
    -- Whoever finds a key must not be able to put its person out.
    if app.claims() ? 'key_id' then
        return 'no_key';
    end if;
    if not exists (
        select from public.memberships m
        where m.org_id = organization and m.id = member and m.status = 'active'
    ) then
        return 'not_found';
    end if;
    -- Whoever changes members takes turns: two owners who leave together would leave nobody.
    perform from public.organizations o
    where o.id = organization and o.managed_by = 'app' for update;
    if not found then
        return 'managed_by_provider';
    end if;
    -- Whoever had the turn before may have changed the caller's role too.
    caller := app.current_member_role();
    select m.* into target from public.memberships m
    where m.org_id = organization and m.id = member and m.status = 'active';
    if not found then
        return 'not_found';
    end if;
    if new_role is null and target.user_id = app.current_user_id() then
        null;
    elsif coalesce(caller, '') not in ('owner', 'admin') then
        return 'not_allowed';
    elsif caller <> 'owner' and 'owner' in (target.role, new_role) then
        return 'owners_only';
    end if;
    if target.role = 'owner' and new_role is distinct from 'owner' and not exists (
        select from public.memberships m
        where m.org_id = organization and m.role = 'owner' and m.status = 'active' and m.id <> member
    ) then
        return 'last_owner';
    end if;
    update public.memberships m
    set role = coalesce(new_role, m.role),
        status = case when new_role is null then 'removed' else 'active' end,
        removed_at = case when new_role is null then now() end
    where m.org_id = organization and m.id = member
      and (m.role <> new_role or new_role is null);
    return 'done';
end;
$$;

-- The caller's own membership, where they work now.
create function app.my_membership_id() returns uuid
language sql stable security definer set search_path = ''
as $$
    select m.id from public.memberships m
    where m.org_id = app.current_tenant_id() and m.user_id = app.current_user_id()
$$;

reset role;
revoke create on schema app from app_definer;

do $$
begin
    execute 'set role app_definer';
    grant execute on function
        app.create_organization(text, bigint), app.my_organizations(),
        app.choose_organization(uuid), app.rename_organization(text),
        app.change_member(uuid, text), app.my_membership_id()
    to app_api;
    execute 'reset role';
end;
$$;
