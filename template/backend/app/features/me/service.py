"""What the caller is told about themselves."""

import json

from sqlalchemy import bindparam, select

from app.auth.dependencies import Principal
from app.auth.permissions import scopes_within
from app.choices import tenancy
from app.database import Session
from app.features.me.models import User
from app.features.me.schemas import CurrentOrganization, CurrentUser
from app.json_sql import json_object, json_text
from app.orm import table_of
from app.statements import first

_WHO = select(
    json_text(json_object(CurrentUser, table_of(User))),
    json_text(tenancy.organization_json(CurrentOrganization)),
).where(User.id == bindparam("user_id"))


async def me(session: Session, principal: Principal) -> str:
    """The `Me` document, as JSON."""
    parameters = {
        "user_id": principal.user_id,
        "tenant_id": principal.tenant_id,
    }
    who = await first(session, _WHO, parameters)
    if who is None:
        raise RuntimeError("a signed-in user cannot see their own row in users")
    user, organization = who
    return (
        f'{{"user":{user},"organization":{organization or "null"},'
        f'"role":{json.dumps(principal.role)},'
        f'"permissions":{json.dumps(sorted(principal.permissions))},'
        f'"key_scopes":{json.dumps(sorted(scopes_within(principal.permissions)))}}}'
    )
