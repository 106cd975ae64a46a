-- Tenancy by rows: whose a row is stands in its column org_id.

create function app.tenancy(out model text, out tenant_column text, out is_mine text)
language sql immutable
return row('rows'::text, 'org_id'::text, 'org_id = (select app.current_org_id())'::text);

create function app.roles_of(target regclass) returns text
language sql immutable
return 'app_api, app_worker'::text;
