"""A Supabase project: https://github.com/supabase/postgres, migrations/db.

Of a project from before October 2026, where what is made in `public` is granted to the Data API's
roles as it is made: a later one grants less.
"""

from typing import Any

import psycopg

from tests.pooler import Place

__all__ = [
    "API_ROLES",
    "DIRECT",
    "MUTATIONS",
    "NAMED",
    "POOLED",
    "POOLER",
    "SERVER",
    "prepare_database",
    "prepare_server",
]

_SUPAVISOR = "aws-0-eu-central-1.pooler.supabase.com"
POOLED = (
    f"postgresql://app_api.abcdefgh:p@{_SUPAVISOR}:6543/postgres",
    "postgresql://app_api:p@db.abcdefgh.supabase.co:6543/postgres",
)
DIRECT = (
    "postgresql://app_api:p@db.abcdefgh.supabase.co:5432/postgres",
    # Session mode.
    f"postgresql://app_api.abcdefgh:p@{_SUPAVISOR}:5432/postgres",
)
SERVER = "db.abcdefgh.supabase.co"
POOLER = Place(SERVER, 6543)
NAMED = {"postgres": "app_api", "postgres.abcdefgh": "app_api.abcdefgh"}

API_ROLES: tuple[str, ...] = ("anon", "authenticated")
MUTATIONS = (
    (
        "granted to the secret key",
        "grant select on public.users to service_role",
        "data-api: public.users, service_role",
    ),
)

_ROLES = """
create role supabase_admin superuser login;
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;
create role supabase_auth_admin login noinherit;
create role supabase_storage_admin login noinherit;
create role supabase_etl_admin login replication;
create role supabase_read_only_user login bypassrls;
grant pg_read_all_data to supabase_read_only_user;
create role dashboard_user nologin createdb createrole replication;
create role pgbouncer login;
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role migrator nosuperuser createdb createrole replication bypassrls;
grant anon, authenticated, service_role to migrator with admin option;
alter role migrator set search_path = "$user", public, extensions;
"""

_DATABASE = """
create schema extensions;
grant usage on schema extensions to migrator, anon, authenticated, service_role;

-- Auth's own: migrator may look, and create nothing.
create schema auth authorization supabase_auth_admin;
grant usage on schema auth to migrator, anon, authenticated, service_role;
set role supabase_auth_admin;
create table auth.users (id uuid primary key, email text);
create table auth.sessions (id uuid primary key, user_id uuid references auth.users (id));
create function auth.uid() returns uuid language sql stable
return (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid;
reset role;
grant select on all tables in schema auth to migrator;

create schema storage;
grant usage on schema storage to anon, authenticated, service_role;
create table storage.objects (id uuid primary key, owner_id text, name text);
alter table storage.objects enable row level security;
alter table storage.objects owner to supabase_storage_admin;
grant all on storage.objects to anon, authenticated, service_role;

create schema pgbouncer authorization pgbouncer;
create function pgbouncer.get_auth(name text) returns table (username text, password text)
language sql security definer
as $$ select usename::text, passwd::text from pg_catalog.pg_shadow where usename = name $$;

grant usage on schema public to anon, authenticated, service_role;
alter default privileges for role migrator in schema public
    grant all on tables to anon, authenticated, service_role;
alter default privileges for role migrator in schema public
    grant all on functions to anon, authenticated, service_role;
alter default privileges for role migrator in schema public
    grant all on sequences to anon, authenticated, service_role;

create function extensions.pgrst_ddl_watch() returns event_trigger language plpgsql
as $$ begin notify pgrst, 'reload schema'; end $$;
create event trigger pgrst_ddl_watch on ddl_command_end
    execute function extensions.pgrst_ddl_watch();

-- What the dashboard offers for tables that somebody forgets to protect; switched off.
create function public.rls_auto_enable() returns event_trigger
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    made record;
begin
    for made in
        select * from pg_event_trigger_ddl_commands()
        where command_tag = 'CREATE TABLE' and object_type = 'table' and schema_name = 'public'
    loop
        execute format('alter table if exists %s enable row level security', made.object_identity);
    end loop;
end
$$;
revoke execute on function public.rls_auto_enable() from public;
create event trigger ensure_rls on ddl_command_end
    when tag in ('CREATE TABLE') execute function public.rls_auto_enable();
alter event trigger ensure_rls disable;
"""


def prepare_server(admin: psycopg.Connection[Any]) -> None:
    admin.execute(_ROLES)


def prepare_database(admin: psycopg.Connection[Any]) -> None:
    admin.execute(_DATABASE)
