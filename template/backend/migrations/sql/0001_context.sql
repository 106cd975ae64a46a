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
grant usage on schema app to app_api, app_worker, app_definer, app_audit, app_operator;

create function app.claims() returns jsonb
language sql stable parallel safe
return coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb;

create function app.request_id() returns text
language sql stable parallel safe
return nullif(current_setting('app.request_id', true), '');

-- The one tenant that an operator's command is about. Anyone may set it; only the policies for
-- app_operator ask, and no login of the application can act as that role.
create function app.operated_tenant_id() returns uuid
language sql stable parallel safe
return nullif(current_setting('app.operated_tenant', true), '')::uuid;

-- The UUIDs that follow a first one, for many rows at once: randomness is drawn once, and the rows
-- keep their order. Some servers read it from the operating system anew for every value.
create function app.uuid_v7_nth(first uuid, n bigint) returns uuid
language sql immutable parallel safe
return encode(overlay(uuid_send(first) placing int4send(n::integer) from 13 for 4), 'hex')::uuid;
