-- Tenancy by users: whose a row is stands in its column user_id. Policies ask for the tenant and not
-- for the person: somebody who is suspended is still known, and finds nothing.

create function app.tenancy(out tenant_column text, out is_mine text)
language sql immutable
return row('user_id'::text, 'user_id = (select app.current_tenant_id())'::text);

grant select on public.users to app_api, app_worker;
create policy self on public.users for select to app_api, app_worker
    using (id = (select app.current_tenant_id()));

select app.let_operate('public.users', 'id', array['select']);

select app.audit('public.users', 'id'), app.audit('public.tenants', 'id');
