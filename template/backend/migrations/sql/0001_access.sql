grant create on schema app to app_definer;
set role app_definer;

create function app.current_user_id() returns uuid
language sql stable security definer set search_path = ''
as $$ select user_id from app.current_access() $$;

create function app.current_tenant_id() returns uuid
language sql stable security definer set search_path = ''
as $$ select tenant_id from app.current_access() $$;

create function app.current_member_role() returns text
language sql stable security definer set search_path = ''
as $$ select role from app.current_access() $$;

reset role;
revoke create on schema app from app_definer;

-- The default of every tenant column. Reading the setting is cheap enough for a bulk insert; a
-- forged setting gains nothing, because the policies ask the function.
create function app.default_tenant_id() returns uuid
language sql stable
return coalesce(
    nullif(current_setting('app.tenant_id', true), '')::uuid, app.current_tenant_id()
);

-- The first statement of every transaction: sets the context and says what it amounts to.
-- `known` is false when the token says something that the tables do not say yet; `obstacle` is the
-- state of a tenant that is not served.
create function app.enter(
    claims text, request_id text,
    out user_id uuid, out tenant_id uuid, out role text, out known boolean, out obstacle text
)
language plpgsql set search_path = ''
as $$
declare
    as_of timestamptz;
begin
    perform set_config('request.jwt.claims', claims, true),
            set_config('app.request_id', request_id, true);
    select a.user_id, a.tenant_id, a.role, a.role_as_of into user_id, tenant_id, role, as_of
    from app.current_access() a;
    perform set_config('app.tenant_id', coalesce(tenant_id::text, ''), true);
    if tenant_id is null then
        obstacle := app.obstacle();
    end if;
    known := user_id is not null and (obstacle is not null or not app.token_is_news(role, as_of));
end;
$$;
