"""Erasing people who belong to organizations, and what may be in the way."""

import pytest

from app.dev.choices import provider as issuer
from tests.conftest import Connection
from tests.running import Platform
from tests.test_users import Person, person, types, where

__all__ = ["person"]

OWNED = """
with made as (
    insert into public.organizations (id, external_id, slug, name, managed_by)
    select i, i::text, right(i::text, 12), 'Owned', 'app' from app.uuid_v7() i
    returning id, slug
)
, owner as (
    insert into public.memberships (org_id, user_id, role)
    select made.id, u.id, 'owner' from made, public.users u where u.subject = any(%s)
)
select id, slug from made
"""


async def test_an_address_will_do_in_any_capitals(
    platform: Platform, person: Person, as_admin: Connection
) -> None:
    shouted = person.email.upper()
    code, output = person.erase(platform, shouted, "--yes", shouted)
    assert code == 0, output
    assert where(as_admin, person.email) == []
    assert (await person.me()).status_code == 403


@pytest.mark.parametrize("answer", ["", "n\n", "somebody else\n"])
async def test_nothing_is_erased_unless_the_name_is_typed(
    platform: Platform, person: Person, answer: str
) -> None:
    code, output = person.erase(platform, person.subject, answer=answer)
    assert code == 1, output
    assert (await person.me()).status_code == 200


async def test_a_shared_address_is_nobodys(
    platform: Platform, person: Person, as_admin: Connection
) -> None:
    twin = issuer.subject(f"twin_{person.name}")
    as_admin.execute(
        "insert into public.users (subject, email) values (%s, %s)", (twin, person.email)
    )
    code, output = person.erase(platform, person.email, "--yes", person.email)
    assert code == 1
    assert twin in output
    assert person.subject in output
    code, output = person.erase(platform, twin, "--yes", twin)
    assert code == 0, output
    assert where(as_admin, person.email) == ["public.users"]
    assert (await person.me()).status_code == 200


async def test_the_last_owner_is_erased_only_if_told_so(
    platform: Platform, person: Person, as_admin: Connection
) -> None:
    [(organization, slug)] = as_admin.execute(OWNED, ([person.subject],)).fetchall()
    code, output = person.erase(platform)
    assert code == 1
    assert f"{slug} ({organization}) would be left without an owner" in output
    assert (await person.me()).status_code == 200
    code, output = person.erase(platform, person.subject, "--yes", person.subject, "--ownerless")
    assert code == 0, output
    assert (await person.me()).status_code == 403


async def test_another_owner_is_enough(
    platform: Platform, person: Person, as_admin: Connection
) -> None:
    other = issuer.subject(f"other_{person.name}")
    as_admin.execute("insert into public.users (subject) values (%s)", (other,))
    [(organization, _)] = as_admin.execute(OWNED, ([person.subject, other],)).fetchall()
    code, output = person.erase(platform)
    assert code == 0, output
    left = as_admin.execute(
        "select u.subject from public.memberships m join public.users u on u.id = m.user_id"
        " where m.org_id = %s and m.status = 'active'",
        (organization,),
    ).fetchall()
    assert left == [(other,)]


async def test_invitations_go_with_the_address(
    platform: Platform, person: Person, as_admin: Connection
) -> None:
    old_address = f"old-{person.email}"
    for address, accepted_by in ((person.email, None), (old_address, person.subject)):
        as_admin.execute(
            "insert into public.invitations"
            " (org_id, email, role, expires_at, accepted_at, accepted_by)"
            " select m.org_id, %(email)s, 'member', now() + interval '1 day',"
            " case when %(by)s::text is not null then now() end,"
            " (select id from public.users where subject = %(by)s)"
            " from public.memberships m join public.users u on u.id = m.user_id"
            " where u.subject = %(subject)s",
            {"email": address, "by": accepted_by, "subject": person.subject},
        )
    assert where(as_admin, old_address) == ["public.invitations"]
    code, output = person.erase(platform)
    assert code == 0, output
    assert where(as_admin, person.email) == where(as_admin, old_address) == []


async def test_who_was_invited_and_never_came_is_forgotten_by_address(
    platform: Platform, person: Person, as_admin: Connection
) -> None:
    guest = f"guest-{person.email}"
    as_admin.execute(
        "insert into public.invitations (org_id, email, role, expires_at)"
        " select m.org_id, %s, 'member', now() from public.memberships m"
        " join public.users u on u.id = m.user_id where u.subject = %s",
        (guest, person.subject),
    )
    code, output = types(platform, "erase", guest, "--yes", guest)
    assert code == 0, output
    assert where(as_admin, guest) == []
    assert (await person.me()).status_code == 200
