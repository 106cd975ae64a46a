-- What members see of the control tables, and what an operator does about members.

create function app.current_org_id() returns uuid
language sql stable
return app.current_tenant_id();

grant execute on function
    app.claimed_organization(), app.named_organization(), app.current_org_id()
to app_api, app_worker, app_definer, app_audit;

grant select on public.users, public.organizations, public.memberships to app_api, app_worker;
create policy own_organization on public.organizations for select to app_api, app_worker
    using (id = (select app.current_org_id()));
create policy tenant_select on public.memberships for select to app_api, app_worker
    using (org_id = (select app.current_org_id()));
create policy self_and_colleagues on public.users for select to app_api, app_worker
    using (
        id = (select app.current_user_id())
        or id in (
            select m.user_id from public.memberships m
            where m.org_id = (select app.current_org_id())
        )
    );

select app.let_operate('public.organizations', 'id', array['select']),
       app.let_operate('public.memberships', 'org_id', array['select']);
grant select on public.users to app_operator;
create policy operator_select on public.users for select to app_operator
    using (
        id in (
            select m.user_id from public.memberships m
            where m.org_id = (select app.operated_tenant_id())
        )
    );

select app.audit('public.users', 'none', unrecorded => array['email', 'name', 'salt']),
       app.audit('public.tenants', 'id'),
       app.audit('public.organizations', 'id'), app.audit('public.memberships', 'org_id');

-- An operator's commands run as the role that migrates.
do $$
begin
    execute 'set role app_definer';
    execute format(
        'grant execute on function app.members_of(text), '
        'app.set_membership(text, text, boolean) to %I', session_user);
    execute 'reset role';
end;
$$;
