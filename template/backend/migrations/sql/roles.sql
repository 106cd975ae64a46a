-- Roles belong to the server, not to a database: this runs before every migration, and changes
-- nothing when the roles are as they should be.
--
--   app_api, app_worker   log in; own nothing; row level security binds them
--   app_definer           cannot log in; owns the few functions that must see past a policy
--   app_audit             cannot log in; owns the audit trail, so that no login can alter it
do $$
declare
    wanted text;
begin
    foreach wanted in array array['app_api', 'app_worker', 'app_definer', 'app_audit'] loop
        begin
            execute format('create role %I nologin', wanted);
        exception when duplicate_object or unique_violation then
            null;
        end;
    end loop;
end;
$$;
