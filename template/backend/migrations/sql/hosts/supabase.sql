-- Projects from before October 2026 grant what is made in `public` to the roles of the Data API, to
-- anon among them, and TRUNCATE too, which row level security does not bind. Later ones do not. The
-- Data API gets what `app.expose` opens, and nothing else. This runs before every migration, and
-- changes nothing when it is so already.
do $$
declare
    api_role text;
begin
    foreach api_role in array array['anon', 'authenticated', 'service_role'] loop
        if to_regrole(api_role) is not null then
            execute format(
                'alter default privileges in schema public revoke all on tables from %I', api_role);
            execute format(
                'alter default privileges in schema public revoke all on sequences from %I', api_role);
            execute format(
                'alter default privileges in schema public revoke all on functions from %I', api_role);
        end if;
    end loop;
end;
$$;
