"""Who is asking, who belongs where, the audit trail, and what carries work between processes."""

from app.choices import tenancy
from app.migrations import run_file, run_sql, server_version

revision = "c0001"
down_revision = None
branch_labels = ("control",)
depends_on = None

UUID_V7 = "return pg_catalog.uuidv7()"

# RFC 9562, section 5.7: 48 bits of Unix milliseconds, the version, then random bits. The first
# twelve of those are a millisecond's 4096ths, as in section 6.2, method 3, and in newer servers:
# records that one transaction writes within a millisecond keep their order.
UUID_V7_BEFORE_POSTGRES_18 = """
return (
    select encode(
        overlay(overlay(uuid_send(gen_random_uuid())
            placing substring(int8send(clock.us / 1000) from 3) from 1 for 6)
            placing int2send((x'7000'::integer + clock.us % 1000 * 4096 / 1000)::smallint)
            from 7 for 2),
        'hex')::uuid
    from (select (extract(epoch from clock_timestamp()) * 1000000)::bigint as us) clock
)
"""


def upgrade() -> None:
    run_file("0001_context.sql")
    body = UUID_V7 if server_version() >= 180000 else UUID_V7_BEFORE_POSTGRES_18  # noqa: PLR2004
    run_sql(f"create function app.uuid_v7() returns uuid language sql volatile {body}")
    run_file("0001_outbox.sql")
    run_file("0001_api_keys.sql")
    run_file("0001_identity.sql")
    run_file(tenancy.IDENTITY_SQL)
    run_file("0001_access.sql")
    run_file("0001_jobs.sql")
    run_file("0001_realtime.sql")
    run_file("0001_api_key_policies.sql")
    run_file("0001_grants.sql")
    run_file("0001_audit.sql")
    run_file("0001_isolate.sql")
    for name in tenancy.ISOLATION_SQL:
        run_file(name)
    run_file("0001_operator.sql")
    run_file("0001_webhooks.sql")
    run_file("0001_erasure.sql")
    run_file("0001_switching.sql")
    run_file(tenancy.CHANGES_SQL)
