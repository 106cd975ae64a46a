-- Tenancy by users: whose a row is stands in its column user_id. Somebody who is suspended is nobody
-- to the policies.

create function app.tenancy(out model text, out tenant_column text, out is_mine text)
language sql immutable
return row('users'::text, 'user_id'::text, 'user_id = (select app.current_user_id())'::text);

create function app.roles_of(target regclass) returns text
language sql immutable
return 'app_api, app_worker'::text;

grant select on public.users to app_api, app_worker;
create policy self on public.users for select to app_api, app_worker
    using (id = (select app.current_user_id()));

select app.let_operate('public.users', 'id', array['select']);

select app.audit('public.users', 'id', unrecorded => array['email', 'name', 'salt']),
       app.audit('public.tenants', 'id');
