-- Who is asking: the token's claims, set by the first statement of every transaction. The setting's
-- name and shape are PostgREST's, so the same policies serve any client that follows it.

-- A function can be called by the roles that a migration names, and by nobody else.
alter default privileges revoke execute on functions from public;
set role app_definer;
alter default privileges revoke execute on functions from public;
set role app_audit;
alter default privileges revoke execute on functions from public;
reset role;

create schema app;
comment on schema app is 'Functions that policies call, and the tables that carry work between processes.';
grant usage on schema app to app_api, app_worker, app_definer, app_audit;

create function app.claims() returns jsonb
language sql stable parallel safe
return coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb;

create function app.request_id() returns text
language sql stable parallel safe
return nullif(current_setting('app.request_id', true), '');

-- Clerk nests the organization under "o"; everyone else writes "org_id".
create function app.claimed_organization() returns text
language sql stable parallel safe
return coalesce(app.claims() ->> 'org_id', app.claims() #>> '{o,id}');
