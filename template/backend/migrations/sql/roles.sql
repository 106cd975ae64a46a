-- Roles belong to the server, not to a database: this runs before every migration, and changes
-- nothing when the roles are as they should be.
--
--   app_api, app_worker   log in; own nothing; row level security binds them
--   app_definer           cannot log in; owns the few functions that must see past a policy
--   app_audit             cannot log in; owns the audit trail, so that no login can alter it
--   app_operator          cannot log in; the role that migrates acts as it to export or delete one tenant
do $$
declare
    wanted text;
begin
    foreach wanted in array array[
        'app_api', 'app_worker', 'app_definer', 'app_audit', 'app_operator'
    ] loop
        begin
            execute format('create role %I nologin', wanted);
        exception when duplicate_object or unique_violation then
            null;
        end;
    end loop;
end;
$$;
