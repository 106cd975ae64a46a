-- What becomes of a job. Each function is one step, in one round trip, and run by the worker itself:
-- its grants and policies hold. A step on a job that the caller does not hold any more does nothing,
-- and says so: the worker that was given the job in the meantime decides.

-- A claim and a success need not wait for the disk: if the server crashes and forgets one, the job
-- runs again, which a task must bear in any case.
create function app.forgettable() returns void
language sql volatile set search_path = ''
as $$ select set_config('synchronous_commit', 'off', true) $$;

-- Start a delivered job, unless it is done, held by a worker, not due yet, one too many for its
-- tenant, or its tenant is not served; then nothing comes back, and the delivery is spent. An attempt
-- counts from here, so that one which kills its worker counts too.
create function app.claim_job(
    job uuid, by_worker uuid,
    out task text, out payload text, out attempts integer, out request_id text,
    out waited double precision, out is_cancelled boolean
)
language plpgsql set search_path = ''
as $$
declare
    j app.outbox;
    running bigint;
begin
    select * into j from app.outbox o
    where o.id = job and o.failed_at is null and o.worker_id is null
      and (o.run_after <= now() or o.cancelled_at is not null)
    for update;
    if not found then
        return;
    end if;
    if not app.is_served(j.tenant_id) then
        perform app.lock_service(j.tenant_id);
        if not app.is_served(j.tenant_id) then
            update app.outbox o set parked = true where o.id = job;
            return;
        end if;
    end if;
    if j.max_running is not null and j.cancelled_at is null then
        perform app.lock_turns(j.tenant_id, j.task);
        select count(*) into running from app.outbox o
        where o.tenant_id = j.tenant_id and o.task = j.task and o.worker_id is not null;
        if running >= j.max_running then
            update app.outbox o set parked = true where o.id = job;
            return;
        end if;
    end if;
    perform app.forgettable();
    update app.outbox o
    set worker_id = by_worker, started_at = clock_timestamp(), parked = false,
        handed_at = coalesce(o.handed_at, now()), attempts = o.attempts + 1
    where o.id = job;
    task := j.task;
    payload := j.payload::text;
    attempts := j.attempts + 1;
    request_id := coalesce(j.request_id, j.id::text);
    waited := extract(epoch from clock_timestamp() - j.run_after);
    is_cancelled := j.cancelled_at is not null;
end;
$$;

-- Taken by who counts the running jobs of a task and by who ends one: neither may miss the other.
create function app.lock_turns(tenant uuid, task text) returns void
language sql volatile set search_path = ''
begin atomic
    select pg_advisory_xact_lock(hashtextextended(concat_ws(' ', 'turns', tenant, task), 0));
end;

-- Taken by who parks a job because its tenant is not served, and by who changes that: a job must not
-- be parked behind the back of the one that brings the parked jobs back.
create function app.lock_service(tenant uuid) returns void
language sql volatile set search_path = ''
begin atomic
    select pg_advisory_xact_lock(hashtextextended(concat_ws(' ', 'service', tenant), 0));
end;

create function app.finish_job(job uuid, by_worker uuid) returns boolean
language sql volatile set search_path = ''
as $$
    select app.forgettable();
    with ended as (delete from app.outbox where id = job and worker_id = by_worker returning 1)
    select exists (select from ended)
$$;

create function app.retry_job(job uuid, by_worker uuid, delay interval, reason text) returns boolean
language sql volatile set search_path = ''
as $$
    with ended as (
        update app.outbox
        set worker_id = null, started_at = null, handed_at = null, delivery = delivery + 1,
            run_after = now() + delay, error = reason
        where id = job and worker_id = by_worker
        returning 1
    )
    select exists (select from ended)
$$;

create function app.bury_job(job uuid, by_worker uuid, reason text) returns boolean
language sql volatile set search_path = ''
as $$
    with ended as (
        update app.outbox
        set worker_id = null, started_at = null, handed_at = null,
            failed_at = now(), error = reason
        where id = job and worker_id = by_worker
        returning 1
    )
    select exists (select from ended)
$$;

-- Hand a job back unfinished, because the worker ends and not because the job failed.
create function app.release_job(job uuid, by_worker uuid) returns boolean
language sql volatile set search_path = ''
as $$
    with ended as (
        update app.outbox
        set worker_id = null, started_at = null, handed_at = null, delivery = delivery + 1,
            attempts = greatest(attempts - 1, 0)
        where id = job and worker_id = by_worker
        returning 1
    )
    select exists (select from ended)
$$;

-- The same for a while, because its tenant is not ready.
create function app.postpone_job(job uuid, by_worker uuid, delay interval) returns boolean
language sql volatile set search_path = ''
as $$
    update app.outbox set run_after = now() + delay where id = job and worker_id = by_worker;
    select app.release_job(job, by_worker)
$$;

-- Whichever way a job ends, the next one that waits for its turn gets it. Where the tenant is not
-- served there are no turns: its jobs come back all at once, when it is served again.
create function app.give_turn() returns trigger
language plpgsql set search_path = ''
as $$
begin
    perform app.lock_turns(old.tenant_id, old.task);
    if not app.is_served(old.tenant_id) then
        return null;
    end if;
    update app.outbox o
    set parked = false, handed_at = null, delivery = o.delivery + 1
    where o.id = (
        select p.id from app.outbox p
        where p.parked and p.tenant_id = old.tenant_id and p.task = old.task
        order by p.id limit 1
        for update skip locked
    );
    return null;
end;
$$;
create trigger give_turn_after_end after delete on app.outbox
    for each row when (old.max_running is not null and (old.worker_id is not null or old.parked))
    execute function app.give_turn();
create trigger give_turn_after_pause after update of worker_id on app.outbox
    for each row when (
        old.max_running is not null and old.worker_id is not null and new.worker_id is null
    )
    execute function app.give_turn();

create function app.job_state(j app.outbox) returns text
language sql stable set search_path = ''
return case
    when j.failed_at is not null then 'dead'
    when j.worker_id is not null then 'running'
    when j.cancelled_at is not null then 'cancelling'
    when j.parked then 'parked'
    when j.run_after > now() then 'delayed'
    else 'waiting'
end;

grant create on schema app to app_definer;
set role app_definer;

-- A worker says that it is alive, and hears which jobs are its own. Jobs of workers that were not
-- heard from come free; after a restart of the server, every worker gets the time to say it again.
create function app.beat(me uuid, lease interval)
returns table (job_id uuid, is_cancelled boolean)
language plpgsql security definer set search_path = ''
as $$
begin
    insert into app.workers as w (id) values (me)
    on conflict (id) do update set seen_at = now();
    if pg_postmaster_start_time() < now() - lease then
        update app.outbox o
        set worker_id = null, started_at = null, handed_at = null, delivery = o.delivery + 1
        where o.worker_id is not null and not exists (
            select from app.workers w where w.id = o.worker_id and w.seen_at > now() - lease
        );
    end if;
    delete from app.workers w where w.seen_at < now() - interval '1 hour';
    return query
        select o.id, o.cancelled_at is not null from app.outbox o where o.worker_id = me;
end;
$$;

-- A job of a schedule belongs to nobody. Of all workers that come to the same slot, one enqueues;
-- a schedule that is new begins with its next slot.
create function app.enqueue_scheduled(
    scheduled_task text, slot timestamptz, job_payload text, job_max_running smallint
) returns boolean
language plpgsql security definer set search_path = ''
as $$
begin
    insert into app.schedules (task, last_slot) values (scheduled_task, slot)
    on conflict (task) do nothing;
    if found then
        return false;
    end if;
    update app.schedules s set last_slot = slot
    where s.task = scheduled_task and s.last_slot < slot;
    if not found then
        return false;
    end if;
    insert into app.outbox (tenant_id, user_id, task, payload, max_running)
    values (
        '00000000-0000-0000-0000-000000000000', null,
        scheduled_task, job_payload::jsonb, job_max_running
    );
    return true;
end;
$$;

-- Cancelling is carried out by a worker, at once if the job waits, within seconds if it runs: only
-- there the task can say what becomes of what it had begun.
create function app.cancel_job(job uuid) returns boolean
language sql volatile security definer set search_path = ''
as $$
    with cancelled as (
        update app.outbox
        set cancelled_at = now(), parked = false,
            run_after = least(run_after, now()),
            delivery = delivery + case when worker_id is null then 1 else 0 end,
            handed_at = case when worker_id is not null then handed_at end
        where id = job and failed_at is null and cancelled_at is null
          and (tenant_id = app.current_tenant_id() or pg_has_role(session_user, 'app_worker', 'member'))
        returning 1
    )
    select exists (select from cancelled)
$$;

-- What a process may know about the machinery as a whole: numbers, and nobody's data.
create function app.job_counts(
    out waiting bigint, out delayed bigint, out running bigint, out dead bigint,
    out oldest double precision
)
language sql stable security definer set search_path = ''
as $$
    select count(*) filter (where failed_at is null and worker_id is null and run_after <= now()),
           count(*) filter (where failed_at is null and worker_id is null and run_after > now()),
           count(*) filter (where worker_id is not null),
           count(*) filter (where failed_at is not null),
           coalesce(extract(epoch from now() - min(run_after) filter (
               where failed_at is null and worker_id is null and run_after <= now()
           )), 0)
    from app.outbox
$$;

reset role;
revoke create on schema app from app_definer;

alter table app.outbox alter column tenant_id set default app.default_tenant_id();
alter table app.outbox alter column user_id set default app.current_user_id();
alter table app.outbox alter column api_key_id set default app.current_key_id();

alter table app.outbox enable row level security;
alter table app.outbox force row level security;
alter table app.workers enable row level security;
alter table app.workers force row level security;
alter table app.schedules enable row level security;
alter table app.schedules force row level security;

grant insert, select on app.outbox to app_api;
grant select, insert, delete on app.outbox to app_worker;
-- How a job fares, never whose it is: the row is what proves the tenant to its worker.
grant update (
    attempts, delivery, run_after, handed_at, parked, worker_id, started_at, cancelled_at,
    failed_at, error
) on app.outbox to app_worker;
grant select, insert on app.outbox to app_definer;
grant update (
    delivery, run_after, handed_at, parked, worker_id, started_at, cancelled_at, error
) on app.outbox to app_definer;
grant select, insert, update, delete on app.workers to app_definer;
grant select, insert, update on app.schedules to app_definer;

create policy tenant_insert on app.outbox for insert to app_api, app_worker
    with check (tenant_id = (select app.current_tenant_id()));
create policy tenant_select on app.outbox for select to app_api
    using (tenant_id = (select app.current_tenant_id()));
create policy relay_select on app.outbox for select to app_worker using (true);
create policy relay_update on app.outbox for update to app_worker using (true) with check (true);
create policy relay_delete on app.outbox for delete to app_worker using (true);
create policy definer_select on app.outbox for select to app_definer using (true);
create policy definer_update on app.outbox for update to app_definer using (true) with check (true);
create policy definer_insert on app.outbox for insert to app_definer
    with check (tenant_id = '00000000-0000-0000-0000-000000000000');
create policy definer_select on app.workers for select to app_definer using (true);
create policy definer_insert on app.workers for insert to app_definer with check (true);
create policy definer_update on app.workers for update to app_definer using (true) with check (true);
create policy definer_delete on app.workers for delete to app_definer using (true);
create policy definer_select on app.schedules for select to app_definer using (true);
create policy definer_insert on app.schedules for insert to app_definer with check (true);
create policy definer_update on app.schedules for update to app_definer
    using (true) with check (true);
