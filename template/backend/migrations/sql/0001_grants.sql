-- Who may call what. A policy calls functions with the rights of the role that it binds.
grant execute on function
    app.uuid_v7(), app.uuid_v7_nth(uuid, bigint), app.claims(), app.request_id(),
    app.claimed_organization(), app.default_org_id()
to app_api, app_worker, app_definer, app_audit;
grant execute on function app.enter(text, text) to app_api, app_worker;

do $$
begin
    execute 'set role app_definer';
    grant execute on function
        app.current_access(), app.current_user_id(), app.current_org_id(), app.current_member_role()
    to app_api, app_worker, app_audit;
    grant execute on function app.sign_in(), app.redeem_ticket(bytea) to app_api;
    grant execute on function app.schema_version(), app.job_counts() to app_api, app_worker;
    grant execute on function app.purge_tickets() to app_worker;
    -- An operator's commands run as the role that migrates.
    execute format('grant execute on function app.current_user_id(), app.current_org_id(), '
                   'app.members_of(text), app.set_membership(text, text, boolean) to %I',
                   session_user);
    execute 'reset role';
end;
$$;
