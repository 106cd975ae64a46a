create table ${names.table} (
    id uuid not null default app.uuid_v7(),
    ${tenant_column} uuid not null default app.default_tenant_id(),
% for field in fields:
    ${field.sql},
% endfor
    created_at timestamptz not null default now(),
    primary key (${tenant_column}, id)
);
comment on table ${names.table} is '${names.words.capitalize()} of tenants.';

select app.isolate('${names.table}');
