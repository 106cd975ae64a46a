"""Every endpoint, attacked by who does not belong to the organization, or does not any more."""

from tests.choices import tenants
from tests.test_isolation_http import (
    PERSONAL,
    Tenant,
    World,
    admin,
    attacker,
    check_silence,
    database,
    ids_of,
    victim,
    world,
)

__all__ = ["admin", "attacker", "database", "victim", "world"]


async def test_who_does_not_belong_is_refused_everywhere(world: World, victim: Tenant) -> None:
    """Tokens that are genuine: of nobody's organization, and of a member who was removed."""
    before = world.state(victim)
    for operation in world.operations:
        for user, organization in (
            (f"stranger{victim.name}", None),
            (f"former_{victim.name}", victim.name),
        ):
            url = operation.url(ids_of(operation, victim))
            response = await world.ask(
                operation, world.token(user, organization), url, **operation.body("x@example.com")
            )
            if operation.key in tenants.ALONE:
                assert response.status_code < 500, f"{operation}: {response.text}"
            elif operation.key in PERSONAL:
                assert response.json()["organization"] is None
                assert response.json()["permissions"] == []
            else:
                assert response.status_code == 403, f"{operation}: {response.text}"
            check_silence(operation, response, victim, url)
    assert world.state(victim) == before


async def test_a_ticket_carries_the_organization_of_its_caller(
    world: World, attacker: Tenant, victim: Tenant
) -> None:
    await world.http.post(
        "/api/v1/realtime/tickets",
        headers={"Authorization": f"Bearer {world.token_of(attacker)}"},
        params={"org_id": victim.ids["tenant"]},
    )
    claimed = world.admin.execute(
        "select claims ->> 'org_id' from app.realtime_tickets where tenant_id = any(%s)",
        [[attacker.made.id, victim.made.id]],
    ).fetchall()
    assert claimed == [(tenants.external_id(attacker.name),)]
