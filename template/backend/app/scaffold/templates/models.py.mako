from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Numeric
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.choices import tenancy
from app.orm import Base, Identified


class ${names.model}(tenancy.TenantTable, Identified, Base):
    """One of the tenant's ${names.words}."""

    __tablename__ = "${names.table}"

% for field in fields:
    ${field.mapped}
% endfor
