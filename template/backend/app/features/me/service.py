"""What the caller is told about themselves."""

import json

from sqlalchemy import bindparam, select

from app.auth.dependencies import Principal
from app.database import Session
from app.features.me.schemas import CurrentOrganization, CurrentUser
from app.features.organizations.models import Organization, User
from app.json_sql import json_object, json_text
from app.orm import table_of
from app.statements import first

_organization = (
    select(json_object(CurrentOrganization, table_of(Organization)))
    .where(Organization.id == bindparam("organization_id"))
    .scalar_subquery()
)
_WHO = select(
    json_text(json_object(CurrentUser, table_of(User))),
    json_text(_organization),
).where(User.id == bindparam("user_id"))


async def me(session: Session, principal: Principal) -> str:
    """The `Me` document, as JSON."""
    parameters = {
        "user_id": principal.user_id,
        "organization_id": principal.organization_id,
    }
    who = await first(session, _WHO, parameters)
    if who is None:
        raise RuntimeError("a signed-in user cannot see their own row in users")
    user, organization = who
    return (
        f'{{"user":{user},"organization":{organization or "null"},'
        f'"role":{json.dumps(principal.role)},'
        f'"permissions":{json.dumps(sorted(principal.permissions))}}}'
    )
