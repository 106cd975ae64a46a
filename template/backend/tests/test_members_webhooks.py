"""What the sign-in provider tells of organizations and memberships, in any order."""

import itertools
import time
from uuid import uuid4

import pytest

from app.dev.choices import provider as issuer
from tests.choices import tenants
from tests.conftest import Connection
from tests.test_webhooks import Provider, told

__all__ = ["told"]


class Membership:
    """Somebody in an organization, as the provider tells of them."""

    def __init__(self, told: Provider) -> None:
        self.told = told
        self.name = uuid4().hex
        self.now = time.time()
        self.ids = {
            "organization": tenants.external_id(self.name),
            "subject": issuer.subject(self.name),
        }

    async def tell(self, verb: str, after: float, role: str = "member") -> None:
        """`member.created` and the like, so many seconds after the beginning."""
        await self.told.tell(f"member.{verb}", self.now + after, role=role, **self.ids)

    async def role(self) -> str | None:
        """The role that a token of a minute ago gets: it was issued before all of the news."""
        token = self.told.mint(self.name, self.name, "viewer", iat=int(self.now) - 60)
        headers = {"Authorization": f"Bearer {token}"}
        answer = (await self.told.me(headers)).json()
        role: str | None = answer.get("role")
        return role


@pytest.fixture
def membership(told: Provider) -> Membership:
    return Membership(told)


async def test_a_membership_comes_changes_and_goes(membership: Membership) -> None:
    await membership.tell("created", 0, "admin")
    assert await membership.role() == "admin"
    await membership.tell("updated", 1, "member")
    assert await membership.role() == "member"
    await membership.tell("deleted", 2)
    assert await membership.role() is None


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_the_order_of_the_news_does_not_matter(
    membership: Membership, order: tuple[int, ...]
) -> None:
    news = [("created", 0, "admin"), ("updated", 1, "viewer"), ("deleted", 2, "viewer")]
    for number in order:
        await membership.tell(*news[number])
    assert await membership.role() is None
    for number in order:
        await membership.tell(*news[number])
    assert await membership.role() is None


async def test_the_order_of_two_memberships_does_not_matter_either(told: Provider) -> None:
    news = [("created", 0), ("deleted", 1), ("created", 2), ("deleted", 3)]
    for order in itertools.permutations(news):
        membership = Membership(told)
        for verb, after in order:
            await membership.tell(verb, after)
        assert await membership.role() is None, order


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_a_change_of_role_counts_even_if_it_comes_before_the_joining(
    membership: Membership, order: tuple[int, ...]
) -> None:
    news = [
        ("created", 0, "admin"),
        ("deleted", 1, "admin"),
        ("created", 2, "owner"),
        ("updated", 3, "viewer"),
    ]
    for number in order:
        await membership.tell(*news[number])
    assert await membership.role() == "viewer"


async def test_what_an_operator_says_holds_against_older_news(
    membership: Membership, admin: Connection
) -> None:
    set_active = "select app.set_membership(%s, %s, %s)"
    named = [membership.ids["organization"], membership.ids["subject"]]
    await membership.tell("created", -9, "admin")
    admin.execute(set_active, [*named, False])
    await membership.tell("created", -5, "admin")
    assert await membership.role() is None
    admin.execute(set_active, [*named, True])
    await membership.tell("deleted", -4)
    assert await membership.role() == "admin"


async def test_who_joins_again_is_in_again(membership: Membership) -> None:
    await membership.tell("created", 0, "admin")
    await membership.tell("deleted", 1)
    await membership.tell("updated", 2, "owner")
    assert await membership.role() is None, "a change of role lets nobody in"
    await membership.tell("created", 3, "member")
    assert await membership.role() == "member"
    await membership.tell("deleted", 1)
    assert await membership.role() == "member", "the removal was before"


async def test_an_organization_is_renamed_and_ends(membership: Membership) -> None:
    told, organization = membership.told, membership.ids["organization"]
    await membership.tell("created", 0, "admin")
    headers = told.headers(membership.name, membership.name)
    for after, name in ((2, "Second"), (1, "First")):
        await told.tell(
            "organization.updated",
            membership.now + after,
            organization=organization,
            name=name,
            slug=membership.name,
        )
    assert (await told.me(headers)).json()["organization"]["name"] == "Second"
    await told.tell("organization.deleted", membership.now + 3, organization=organization)
    refused = await told.me(headers)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:problem:tenant-suspended")
