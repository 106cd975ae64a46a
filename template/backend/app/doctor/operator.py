"""What `app tenants` needs, and may. A query returns what is wrong: object, problem, cure."""

# Of these a deleted tenant keeps a row each, without which a valid token would bring it back.
TOMBSTONES = ("tenants", "users", "organizations", "memberships")

OPERATOR = f""",
reach as (
    select t.oid, t.name, t.tenant_name, h.privilege,
        t.schema = 'audit' or t.schema = 'public' and t.relname in {TOMBSTONES} as is_kept
    from tables t
    left join holders h on h.relation = t.oid and h.role = 'app_operator'
    where not t.relispartition
)
select name as object, format('%s is granted to app_operator', privilege) as problem,
    format('revoke %s on %s from app_operator;', lower(privilege), name) as cure
from reach
where privilege in ('INSERT', 'UPDATE') or (privilege = 'DELETE' and is_kept)
union all
select t.name,
    'is not exported or deleted with its tenant: app_operator may not ' || wanted.command,
    format('select app.let_operate(%L, %L);', t.name, t.tenant_name)
from tables t
cross join (values ('select'), ('delete')) wanted (command)
where t.tenant_column is not null and not t.relispartition and t.schema not in ('app', 'audit')
  and (wanted.command = 'select' or t.relname not in {TOMBSTONES})
  and not exists (
      select from reach r where r.oid = t.oid and r.privilege = upper(wanted.command)
  )
order by 1, 2
"""  # noqa: S608  # names of ours
