-- Who may call what. A policy calls functions with the rights of the role that it binds.
grant execute on function
    app.uuid_v7(), app.uuid_v7_nth(uuid, bigint), app.claims(), app.request_id(),
    app.default_tenant_id()
to app_api, app_worker, app_definer, app_audit;
grant execute on function app.enter(text, text) to app_api, app_worker;
grant execute on function app.job_state(app.outbox) to app_api, app_worker, app_operator;
grant execute on function app.operated_tenant_id() to app_operator;
grant execute on function
    app.claim_job(uuid, uuid), app.finish_job(uuid, uuid),
    app.retry_job(uuid, uuid, interval, text), app.bury_job(uuid, uuid, text),
    app.release_job(uuid, uuid), app.postpone_job(uuid, uuid, interval), app.forgettable()
to app_worker;
grant execute on function app.token_is_news(text, timestamptz) to app_api, app_worker;
grant execute on function app.lock_turns(uuid, text) to app_worker, app_definer, app_operator;
grant execute on function app.lock_service(uuid) to app_worker, app_definer;

do $$
begin
    execute 'set role app_definer';
    grant execute on function
        app.current_access(), app.current_user_id(), app.current_tenant_id(),
        app.current_member_role(), app.current_key_id()
    to app_api, app_worker, app_audit;
    grant execute on function app.sign_in(), app.redeem_ticket(bytea) to app_api;
    grant execute on function
        app.obstacle(), app.schema_versions(), app.job_counts(), app.cancel_job(uuid)
    to app_api, app_worker;
    grant execute on function
        app.purge_tickets(), app.beat(uuid, interval),
        app.enqueue_scheduled(text, timestamptz, text, smallint)
    to app_worker;
    grant execute on function app.is_served(uuid) to app_worker, app_operator;
    -- An operator's commands run as the role that migrates.
    execute format(
        'grant execute on function app.current_user_id(), app.current_tenant_id(), '
        'app.current_key_id(), app.schema_versions() to %I',
        session_user);
    execute 'reset role';
end;
$$;
