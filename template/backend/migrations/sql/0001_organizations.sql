-- Tenants are organizations, and people belong to them.

-- Clerk nests the organization under "o"; everyone else writes "org_id".
create function app.claimed_organization() returns text
language sql stable parallel safe
return coalesce(app.claims() ->> 'org_id', app.claims() #>> '{o,id}');

-- A token that names none leaves it to the request, which names an organization that the product
-- itself manages. No token vouches for that: only a membership that is there already counts.
create function app.named_organization() returns text
language sql stable parallel safe
return coalesce(app.claimed_organization(), app.claims() ->> 'tenant_id');

create table public.organizations (
    id uuid primary key default app.uuid_v7(),
    external_id text not null unique check (length(external_id) between 1 and 255),
    slug text not null check (length(slug) between 1 and 255),
    name text not null check (length(name) between 1 and 200),
    managed_by text not null default 'provider' check (managed_by in ('provider', 'app')),
    told_as_of timestamptz not null default '-infinity',
    created_at timestamptz not null default now(),
    check (managed_by = 'provider' or external_id = id::text)
);
comment on table public.organizations is 'Tenants, by the id that the sign-in provider gave them.';
comment on column public.organizations.managed_by is
    'Who says who belongs to it, and as what: the provider''s tokens, or the product''s own members.';
create unique index organizations_own_slugs on public.organizations (slug) where managed_by = 'app';

create table public.memberships (
    id uuid not null default app.uuid_v7(),
    org_id uuid not null references public.organizations (id),
    user_id uuid not null references public.users (id),
    role text not null check (role in ('owner', 'admin', 'member', 'viewer')),
    role_as_of timestamptz not null default now(),
    status text not null default 'active' check (status in ('active', 'removed')),
    created_at timestamptz not null default now(),
    removed_at timestamptz,
    chosen_at timestamptz,
    primary key (org_id, id),
    unique (org_id, user_id),
    check ((status = 'removed') = (removed_at is not null))
);
comment on table public.memberships is
    'Who belongs to which organization. A removed membership stays as a tombstone: '
    'without it, a token that is still valid would bring the member back.';
comment on column public.memberships.role_as_of is
    'The provider''s clock when it last spoke of this member: what is older does not change the role '
    'back, nor remove the member.';
comment on column public.memberships.chosen_at is
    'When the person last chose to work here. The latest counts where a token names an organization '
    'because this database told the provider so.';
create index memberships_by_user on public.memberships (user_id);

create function app.keep_tombstones() returns trigger
language plpgsql set search_path = ''
as $$
begin
    raise exception 'a membership is removed with status = ''removed'', not with DELETE'
        using hint = 'Without the tombstone, a token that is still valid brings the member back. '
                     'Use: uv run app members remove',
              errcode = 'restrict_violation';
end;
$$;
create trigger keep_tombstones before delete on public.memberships
    for each row execute function app.keep_tombstones();
create trigger register_tenant after insert on public.organizations
    for each row execute function app.register_tenant();

alter table public.organizations enable row level security;
alter table public.organizations force row level security;
alter table public.memberships enable row level security;
alter table public.memberships force row level security;

grant select, insert, update on public.organizations, public.memberships to app_definer;
create policy definer_select on public.organizations for select to app_definer using (true);
create policy definer_insert on public.organizations for insert to app_definer with check (true);
create policy definer_update on public.organizations for update to app_definer
    using (true) with check (true);
create policy definer_select on public.memberships for select to app_definer using (true);
create policy definer_insert on public.memberships for insert to app_definer with check (true);
create policy definer_update on public.memberships for update to app_definer
    using (true) with check (true);

grant create on schema app to app_definer;
set role app_definer;

-- Who is let in again gets new keys.
create function app.end_keys() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    update app.api_keys k set revoked_at = now()
    where k.tenant_id = new.org_id and k.user_id = new.user_id and k.revoked_at is null;
    return null;
end;
$$;

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
    vouched text;
begin
    -- One look, not one at every kind of claims: this runs several times in each request.
    if asked ? 'sub' then
        vouched := app.claimed_organization();
        select u.id, u.subject, m.org_id, m.role,
            case o.managed_by when 'app' then 'infinity' else m.role_as_of end
        into user_id, subject, tenant_id, role, role_as_of
        from public.users u
        left join public.organizations o
            on o.external_id = coalesce(vouched, asked ->> 'tenant_id')
            and (o.managed_by = 'app' or vouched is not null)
        left join public.tenants t on t.id = o.id and t.state = 'active'
        left join public.memberships m
            on m.org_id = t.id and m.user_id = u.id and m.status = 'active'
        where u.subject = asked ->> 'sub' and u.deleted_at is null
          and session_user <> 'app_worker';
    elsif asked ? 'key_id' then
        select k.user_id, u.subject, k.tenant_id, m.role, 'infinity'
        into user_id, subject, tenant_id, role, role_as_of
        from app.presented_key() k
        join public.users u on u.id = k.user_id
        join public.tenants t on t.id = k.tenant_id and t.state = 'active'
        join public.memberships m
            on m.org_id = t.id and m.user_id = u.id and m.status = 'active';
    elsif asked ? 'job_id' then
        select j.user_id, j.subject, j.tenant_id, 'worker'
        into user_id, subject, tenant_id, role
        from app.presented_job() j;
    end if;
end;
$$;
comment on function app.current_access() is
    'The claim chooses, the database proves: a tenant comes back only where an active membership '
    '(or, for a worker, a job that it runs) exists at this moment, and the tenant is served.';

-- Why a member finds nothing: the state of an organization that is not served. Who was a member until
-- it was deleted is told too; others are not.
create function app.obstacle() returns text
language sql stable security definer set search_path = ''
as $$
    select t.state
    from public.organizations o
    join public.tenants t on t.id = o.id and t.state <> 'active'
    join public.memberships m on m.org_id = o.id
        and (m.status = 'active' or t.state = 'deleted' and m.removed_at >= t.changed_at)
    join public.users u on u.id = m.user_id and u.subject = app.claims() ->> 'sub'
    where o.external_id = app.named_organization()
      and (o.managed_by = 'app' or app.claimed_organization() is not null)
$$;

-- Users, organizations and memberships as a verified token describes them, made on first sight.
-- A membership that was removed stays removed, whatever a token says, and a deleted organization
-- gets no members. Who belongs to an organization that the product manages is no token's to say, and
-- who names one without belonging to it is not written down on that account.
create function app.sign_in() returns void
language plpgsql security definer set search_path = ''
as $$
declare
    token jsonb := app.claims();
    as_of timestamptz := to_timestamp((token ->> 'iat')::bigint);
    member uuid;
    organization uuid;
begin
    if token ? 'tenant_id' and (select a.tenant_id from app.current_access() a) is null then
        return;
    end if;
    member := app.sign_in_user();
    if member is null or app.claimed_organization() is null then
        return;
    end if;

    insert into public.organizations (external_id, slug, name)
    values (
        app.claimed_organization(),
        coalesce(token ->> 'org_slug', app.claimed_organization()),
        left(coalesce(token ->> 'org_slug', app.claimed_organization()), 200)
    )
    on conflict (external_id) do nothing;

    select id into organization from public.organizations
    where external_id = app.claimed_organization() and managed_by = 'provider';

    insert into public.memberships as m (org_id, user_id, role, role_as_of)
    select organization, member, coalesce(token ->> 'org_role', 'viewer'), as_of
    from public.tenants t where t.id = organization and t.state <> 'deleted'
    on conflict (org_id, user_id) do update
        set role = excluded.role, role_as_of = excluded.role_as_of
        where m.status = 'active' and m.role_as_of < excluded.role_as_of
          and m.role <> excluded.role;
end;
$$;

-- What an operator does by hand: `uv run app members`.
create function app.members_of(organization text)
returns table (org_slug text, subject text, user_id uuid, role text, status text, removed_at timestamptz)
language sql stable security definer set search_path = ''
as $$
    select o.slug, u.subject, u.id, m.role, m.status, m.removed_at
    from public.memberships m
    join public.organizations o on o.id = m.org_id
    join public.users u on u.id = m.user_id
    where organization in (o.slug, o.external_id, o.id::text)
    order by m.created_at
$$;

create function app.set_membership(organization text, person text, active boolean) returns bigint
language sql volatile security definer set search_path = ''
as $$
    with changed as (
        update public.memberships m
        set status = case when active then 'active' else 'removed' end,
            removed_at = case when active then null else now() end,
            -- What the provider said before this is no reason to undo it.
            role_as_of = case when active then greatest(m.role_as_of, now()) else m.role_as_of end
        from public.organizations o, public.users u
        where o.id = m.org_id and u.id = m.user_id
          and (
              organization in (o.external_id, o.id::text)
              or o.slug = organization and not exists (
                  select from public.organizations other
                  where other.slug = o.slug and other.id <> o.id
              )
          )
          and person in (u.subject, u.id::text)
          and (m.status = 'active') <> active
        returning 1
    )
    select count(*) from changed
$$;

-- What an operator does by hand: `uv run app tenants`.
create function app.known_tenants()
returns table (
    id uuid, external_id text, label text, name text, state text, reason text,
    since timestamptz, created_at timestamptz
)
language sql stable security definer set search_path = ''
as $$
    select o.id, o.external_id, o.slug, o.name, t.state, t.reason, t.changed_at, t.created_at
    from public.organizations o join public.tenants t on t.id = o.id
    order by t.id
$$;

create function app.create_tenant(new_external_id text, label text, new_name text) returns uuid
language sql volatile security definer set search_path = ''
as $$
    insert into public.organizations (external_id, slug, name)
    values (new_external_id, label, coalesce(new_name, label))
    on conflict (external_id) do nothing
    returning id
$$;

-- What stays of a deleted organization: that it was, by its ids, and who belonged to it.
create function app.entomb_tenant(tenant uuid) returns void
language plpgsql security definer set search_path = ''
as $$
begin
    if not exists (select from public.tenants t where t.id = tenant and t.state = 'deleted') then
        raise exception '% is not deleted', tenant;
    end if;
    update public.memberships m set status = 'removed', removed_at = now()
    where m.org_id = tenant and m.status = 'active';
    update public.organizations o set slug = o.id::text, name = '(deleted)'
    where o.id = tenant and o.name <> '(deleted)';
end;
$$;

reset role;
revoke create on schema app from app_definer;

do $$
begin
    execute 'set role app_definer';
    execute format('grant execute on function app.end_keys() to %I', session_user);
    execute 'reset role';
end;
$$;
create trigger end_keys after update on public.memberships
    for each row when (new.status = 'removed' and old.status <> 'removed')
    execute function app.end_keys();

-- Whether the token says something that the tables do not say yet.
create function app.token_is_news(role text, role_as_of timestamptz) returns boolean
language sql stable
return not coalesce(
    app.claimed_organization() is null
    or role = app.claims() ->> 'org_role'
    or role_as_of >= to_timestamp((app.claims() ->> 'iat')::bigint),
    false
);
