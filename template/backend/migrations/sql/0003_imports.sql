create table public.imports (
    id uuid not null default app.uuid_v7(),
    org_id uuid not null default app.default_org_id(),
    created_by uuid default app.current_user_id(),
    file_name text not null check (length(file_name) <= 255),
    file_bytes bigint not null,
    file_sha256 bytea not null check (length(file_sha256) = 32),
    idempotency_key text collate "C" check (length(idempotency_key) between 1 and 255),
    status text not null default 'queued'
        check (status in ('queued', 'running', 'succeeded', 'failed')),
    rows_total bigint,
    rows_done bigint not null default 0,
    rows_rejected bigint not null default 0,
    error text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    primary key (org_id, id),
    unique (org_id, idempotency_key)
);
comment on column public.imports.rows_done is
    'Rows of the file that are dealt with, accepted or rejected. It moves in the same commit as the '
    'rows themselves: a job that starts again continues behind it.';

create table public.import_rejections (
    id uuid not null default app.uuid_v7(),
    org_id uuid not null default app.default_org_id(),
    import_id uuid not null,
    row_no bigint not null,
    line bigint not null,
    column_name text,
    reason text not null,
    fields jsonb not null,
    primary key (org_id, import_id, row_no),
    foreign key (org_id, import_id) references public.imports (org_id, id) on delete cascade
);
comment on column public.import_rejections.fields is 'The row as it was read, so that nothing is lost.';

select app.isolate('public.imports', array['select', 'insert', 'update']);
select app.isolate('public.import_rejections', array['select', 'insert']);
