"""Tenants as tests need them: organizations whose tables are made on the spot."""

from typing import Any
from urllib.parse import quote

import psycopg

from app.tenancy.fan_out import migrate_tenant
from tests.tenants import organizations
from tests.tenants.organizations import Tenant

__all__ = ["Tenant", "make"]
