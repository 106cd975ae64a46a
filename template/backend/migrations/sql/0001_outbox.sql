-- Work that outlives a transaction. The queue delivers jobs; these tables are the truth about them,
-- and outlive a queue that lost everything.

create table app.outbox (
    id uuid primary key default app.uuid_v7(),
    tenant_id uuid not null,
    user_id uuid,
    api_key_id uuid,
    request_id text default app.request_id(),
    task text not null check (length(task) between 1 and 200),
    payload jsonb not null,
    unique_key text collate "C" check (length(unique_key) between 1 and 255),
    max_running smallint check (max_running > 0),
    attempts integer not null default 0,
    delivery integer not null default 0,
    run_after timestamptz not null default now(),
    handed_at timestamptz,
    parked boolean not null default false,
    worker_id uuid,
    started_at timestamptz,
    cancelled_at timestamptz,
    failed_at timestamptz,
    error text,
    created_at timestamptz not null default now(),
    check ((worker_id is null) = (started_at is null)),
    check (failed_at is null or worker_id is null)
);
comment on table app.outbox is
    'Jobs, written in the transaction that needs them and kept until they are done.';
comment on column app.outbox.tenant_id is
    'Whose it is. The nil UUID, which is nobody''s, for a job that a schedule made.';
comment on column app.outbox.api_key_id is 'The key of that person that a program asked with, if one did.';
comment on column app.outbox.max_running is
    'How many jobs of this task may run at a time for one tenant; null is no limit.';
comment on column app.outbox.delivery is 'Counts the hand-overs; part of the id in the queue.';
comment on column app.outbox.handed_at is 'When the queue was given it last; null while it is not.';
comment on column app.outbox.parked is
    'Not delivered until a job before it ends (max_running), or until its tenant is served again.';
comment on column app.outbox.worker_id is
    'Who runs it now. It belongs to that worker for as long as app.workers hears from it.';
comment on column app.outbox.failed_at is 'Set when retries are used up: the job is a dead letter.';

-- One unfinished job per key; a dead letter does not stand in the way of a new attempt.
create unique index outbox_unique_key on app.outbox (tenant_id, task, unique_key)
    where unique_key is not null and failed_at is null;
create index outbox_waiting on app.outbox (tenant_id, run_after, id)
    where handed_at is null and worker_id is null and failed_at is null and not parked;
create index outbox_handed on app.outbox (tenant_id)
    where handed_at is not null and failed_at is null and not parked;
create index outbox_running on app.outbox (tenant_id, task) where worker_id is not null;
create index outbox_parked on app.outbox (tenant_id, task, id) where parked;

create table app.workers (
    id uuid primary key,
    seen_at timestamptz not null default now()
);
comment on table app.workers is 'Worker processes that are alive, and when each was heard from last.';

create table app.schedules (
    task text primary key,
    last_slot timestamptz not null
);
comment on table app.schedules is
    'Up to which moment each schedule is dealt with: of several workers, one moves it and enqueues.';
