-- Nothing in schema app can be called by a role that is not named here.
revoke execute on all functions in schema app from public;

grant execute on function
    app.uuid_v7(), app.claims(), app.request_id(), app.claimed_organization(),
    app.current_access(), app.current_user_id(), app.current_org_id(), app.current_member_role(),
    app.default_org_id()
to app_api, app_worker, app_definer, app_audit;

grant execute on function app.enter(text, text) to app_api, app_worker;
grant execute on function app.sign_in(), app.redeem_ticket(bytea) to app_api;
grant execute on function app.purge_tickets() to app_worker;
