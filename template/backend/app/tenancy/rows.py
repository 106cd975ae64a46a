"""Tenancy by rows: one set of tables, told apart by `org_id` and row level security."""

from app.tenancy.organizations import *
from app.tenancy.organizations import PEOPLE_SQL
from app.tenancy.shared import *
from app.tenancy.single import *

MODEL = "rows"
ISOLATION_SQL = (*PEOPLE_SQL, "0001_rows.sql")
