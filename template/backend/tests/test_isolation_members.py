"""Every endpoint, asked by people who do not belong to the organization, or not any more."""

import pytest

from tests.test_isolation_http import (  # noqa: F401  # fixtures
    World,
    admin,
    check_silence,
    database,
    ids_of,
    world,
)

# What a signed-in person may ask about themselves without belonging to an organization.
PERSONAL = {("get", "/api/v1/me")}


@pytest.mark.parametrize("who", ["a person without an organization", "a former member"])
async def test_who_does_not_belong_is_refused_everywhere(world: World, who: str) -> None:
    victim = world.tenant()
    before = world.state(victim)
    token = world.token(f"former_{victim.name}", victim.name)
    if who == "a person without an organization":
        token = world.token(f"stranger{victim.name}", None)
    for operation in world.operations:
        url = operation.url(ids_of(operation, victim))
        response = await world.ask(operation, token, url, **operation.body("x@example.com"))
        if (operation.method, operation.path) in PERSONAL:
            assert response.json()["organization"] is None
            assert response.json()["permissions"] == []
        else:
            assert response.status_code == 403, f"{operation}: {response.text}"
        check_silence(operation, response, victim, url)
    assert world.state(victim) == before
