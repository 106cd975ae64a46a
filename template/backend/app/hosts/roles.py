"""Roles with BYPASSRLS that a host gives, and does not take back."""

OWNS_THE_TABLES = """exists (
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relname = 'tenants' and c.relowner = r.oid
)"""
"""Whether `pg_roles r` is the role that migrates."""
