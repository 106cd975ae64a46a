-- Invitations into an organization that the product manages. The link in the mail holds a random token,
-- of which only the hash is here; a mail that is sent again has another one.

create table public.invitations (
    id uuid not null default app.uuid_v7(),
    org_id uuid not null default app.default_tenant_id() references public.organizations (id),
    email text not null check (length(email) between 3 and 254 and email = lower(email)),
    salt bytea not null default app.new_salt() check (length(salt) = 32),
    email_digest text generated always as (app.salted_digest(salt, email)) stored,
    role text not null check (role in ('owner', 'admin', 'member', 'viewer')),
    invited_by uuid default app.current_user_id() references public.users (id),
    token_hashes bytea[] not null default '{}',
    asked_at timestamptz[] not null default array[now()],
    sent_at timestamptz,
    expires_at timestamptz not null,
    accepted_at timestamptz,
    accepted_by uuid references public.users (id),
    revoked_at timestamptz,
    created_at timestamptz not null default now(),
    primary key (org_id, id)
);
comment on table public.invitations is 'Who was asked to join an organization, and what became of it.';
comment on column public.invitations.token_hashes is
    'One for each mail of the latest sending: a mail may be sent twice, and each link must be good.';
comment on column public.invitations.asked_at is 'When its sending was asked for, each time.';
create unique index invitations_open on public.invitations (org_id, email)
    where accepted_at is null and revoked_at is null;
create index invitations_by_token on public.invitations using gin (token_hashes);
create index invitations_by_inviter on public.invitations (invited_by);
create index invitations_by_guest on public.invitations (accepted_by);

alter table public.invitations enable row level security;
alter table public.invitations force row level security;
grant select, insert, update on public.invitations to app_api;
grant select, update on public.invitations to app_worker;
create policy tenant_select on public.invitations for select to app_api, app_worker
    using (org_id = (select app.current_org_id()));
create policy tenant_insert on public.invitations for insert to app_api
    with check (
        org_id = (select app.current_org_id())
        and (select app.current_member_role()) in ('owner', 'admin')
        and (role <> 'owner' or (select app.current_member_role()) = 'owner')
    );
create policy tenant_update on public.invitations for update to app_api, app_worker
    using (org_id = (select app.current_org_id()))
    with check (
        org_id = (select app.current_org_id())
        and (select app.current_member_role()) in ('owner', 'admin', 'worker')
        and (role <> 'owner' or (select app.current_member_role()) in ('owner', 'worker'))
    );

grant select, update, delete on public.invitations to app_definer;
create policy definer_select on public.invitations for select to app_definer using (true);
create policy definer_update on public.invitations for update to app_definer
    using (true) with check (true);
create policy definer_delete on public.invitations for delete to app_definer using (true);

select app.let_operate('public.invitations', 'org_id'),
       app.audit('public.invitations', 'org_id', unrecorded => array['email', 'salt']);

grant create on schema app to app_definer;
set role app_definer;

-- Makes the person in the claims a member, if the invitation went to their address, which the provider
-- must have confirmed. Who is refused learns why only with a token that is or was good.
create function app.accept_invitation(
    claims text, request_id text, token_hash bytea,
    out outcome text, out organization uuid, out role text, out member_role text
)
language plpgsql security definer set search_path = ''
as $$
declare
    found_one public.invitations;
    person uuid;
begin
    perform set_config('request.jwt.claims', claims, true),
            set_config('app.request_id', request_id, true);
    select i.* into found_one from public.invitations i where i.token_hashes @> array[token_hash]
    for update;
    if not found or not app.is_served(found_one.org_id) then
        outcome := 'unknown';
        return;
    end if;
    outcome := case
        when not coalesce((app.claims() -> 'email_verified')::boolean, false) then 'unconfirmed'
        when lower(app.claims() ->> 'email') <> found_one.email then 'another_address'
        when found_one.accepted_at is not null then 'accepted'
        when found_one.revoked_at is not null then 'revoked'
        when found_one.expires_at <= now() then 'expired'
        else 'done'
    end;
    if outcome = 'accepted' then
        -- To whom it is no news, so that a second copy of who belongs where can be mended.
        organization := found_one.org_id;
        select m.role into member_role
        from public.memberships m join public.users u on u.id = m.user_id
        where m.org_id = organization and m.status = 'active'
          and u.subject = app.claims() ->> 'sub';
    end if;
    if outcome <> 'done' then
        return;
    end if;
    person := app.sign_in_user();
    if person is null then
        outcome := 'unknown';
        return;
    end if;
    insert into public.memberships as m (org_id, user_id, role, chosen_at)
    values (found_one.org_id, person, found_one.role, now())
    on conflict (org_id, user_id) do update
        set role = case when m.status = 'active' then m.role else excluded.role end,
            status = 'active', removed_at = null, chosen_at = now()
    returning m.role into member_role;
    update public.invitations i set accepted_at = now(), accepted_by = person
    where i.org_id = found_one.org_id and i.id = found_one.id;
    organization := found_one.org_id;
    role := found_one.role;
end;
$$;

reset role;
revoke create on schema app from app_definer;

do $$
begin
    execute 'set role app_definer';
    grant execute on function app.accept_invitation(text, text, bytea) to app_api;
    execute 'reset role';
end;
$$;
