-- What the provider tells of people, organizations and memberships. It tells it late, twice and in any
-- order: its clock decides, and a tombstone keeps out what was removed.

grant create on schema app to app_definer;
set role app_definer;

-- Nobody's member any more, and invited by nobody: neither is left to say what the address was.
create function app.end_belonging(person uuid, address text) returns void
language sql volatile security definer set search_path = ''
as $$
    update public.memberships m set status = 'removed', removed_at = now()
    where m.user_id = person and m.status = 'active';
    delete from public.invitations i where i.accepted_by = person or i.email = lower(address);
$$;

-- What speaks against erasing a person, and whether an operator may overrule it.
create function app.hindrances_to_erasure(whose text)
returns table (reason text, may_be_overruled boolean)
language sql stable security definer set search_path = ''
as $$
    select format('%s (%s) would be left without an owner', o.slug, o.id), true
    from public.memberships m
    join public.users u on u.id = m.user_id and u.subject = whose
    join public.organizations o on o.id = m.org_id and o.managed_by = 'app'
    join public.tenants t on t.id = o.id and t.state <> 'deleted'
    where m.role = 'owner' and m.status = 'active' and not exists (
        select from public.memberships other
        where other.org_id = o.id and other.role = 'owner' and other.status = 'active'
          and other.id <> m.id
    )
$$;

create function app.apply_change(change jsonb, request_id text) returns void
language plpgsql security definer set search_path = ''
as $$
declare
    kind text := change ->> 'type';
    told timestamptz := to_timestamp((change ->> 'as_of')::double precision);
    joined timestamptz := case when (change ->> 'joined')::boolean then told end;
    person uuid;
    organization uuid;
begin
    perform set_config('request.jwt.claims', '{}', true),
            set_config('app.request_id', left(request_id, 255), true);
    if change ? 'subject' then
        insert into public.users (subject) values (change ->> 'subject')
        on conflict (subject) do nothing;
        select u.id into person from public.users u where u.subject = change ->> 'subject'
        for update;
    end if;
    if change ? 'organization' then
        insert into public.organizations (external_id, slug, name)
        select change ->> 'organization', change ->> 'organization',
               left(change ->> 'organization', 200)
        where not exists (
            select from public.organizations o where o.external_id = change ->> 'organization'
        )
        on conflict (external_id) do nothing;
        select o.id into organization from public.organizations o
        where o.external_id = change ->> 'organization' and o.managed_by = 'provider'
        for update;
        if organization is null then
            return;
        end if;
    end if;

    if kind = 'user_changed' then
        update public.users u
        set email = coalesce(change ->> 'email', u.email),
            name = coalesce(left(change ->> 'name', 200), u.name), told_as_of = told
        where u.id = person and u.deleted_at is null and u.told_as_of < told;
    elsif kind = 'user_deleted' then
        update public.users u set told_as_of = told where u.id = person and u.deleted_at is null;
        perform app.erase_user(person);
    elsif kind = 'organization_changed' then
        update public.organizations o
        set slug = coalesce(change ->> 'slug', o.slug),
            name = coalesce(left(change ->> 'name', 200), o.name), told_as_of = told
        where o.id = organization and o.told_as_of < told
          and exists (select from public.tenants t where t.id = o.id and t.state <> 'deleted');
    elsif kind = 'organization_deleted' then
        -- What an operator has said since then holds.
        perform app.set_tenant_state(t.id, 'suspended', 'deleted at the sign-in provider')
        from public.tenants t
        where t.id = organization and t.state = 'active'
          and (t.changed_at <= told or t.changed_at = t.created_at);
    elsif kind = 'member_changed' then
        insert into public.memberships as m (org_id, user_id, role, role_as_of)
        select organization, person, change ->> 'role', told
        from public.tenants t, public.users u
        where t.id = organization and t.state <> 'deleted'
          and u.id = person and u.deleted_at is null
        on conflict (org_id, user_id) do update
            -- The role and the membership are two matters: who was removed may have got another role
            -- after a joining of which the news is still to come.
            set role = case when m.role_as_of < told then excluded.role else m.role end,
                role_as_of = greatest(m.role_as_of, told),
                status = case when m.removed_at < joined then 'active' else m.status end,
                removed_at = case when m.removed_at < joined then null else m.removed_at end
            where m.role_as_of < told or m.removed_at < joined;
    elsif kind = 'member_removed' then
        -- Who is not a member yet gets the tombstone all the same: the news of their joining is late.
        insert into public.memberships as m
            (org_id, user_id, role, role_as_of, status, removed_at)
        values (organization, person, 'viewer', told, 'removed', told)
        on conflict (org_id, user_id) do update
            set status = 'removed', removed_at = told
            where m.status = 'active' and m.role_as_of <= told or m.removed_at < told;
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
