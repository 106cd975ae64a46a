"""Contacts over HTTP."""

import uuid

import httpx
import pytest

from app.choices import tenancy
from tests.conftest import MintToken

MINE = tenancy.TENANT_COLUMN


@pytest.fixture
def headers(token: MintToken) -> dict[str, str]:
    """Somebody whom no other test knows."""
    name = uuid.uuid4().hex
    return {"Authorization": f"Bearer {token(user=name, org=name)}"}


async def add(api: httpx.AsyncClient, headers: dict[str, str], **fields: object) -> httpx.Response:
    body = {"name": "Ann Lee", "email": f"{uuid.uuid4().hex}@example.org"} | fields
    return await api.post("/api/v1/contacts", headers=headers, json=body)


async def test_a_contact_can_be_added_read_changed_and_deleted(
    api: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    created = await add(api, headers, email="Ann@Example.ORG", company="Lee & Co", amount="12.5")
    assert created.status_code == 201
    contact = created.json()
    assert set(contact) == {"id", "name", "email", "company", "amount", "created_at"}
    assert (contact["email"], contact["amount"]) == ("ann@example.org", "12.50")

    path = f"/api/v1/contacts/{contact['id']}"
    assert (await api.get(path, headers=headers)).json() == contact

    changed = await api.patch(path, headers=headers, json={"name": "Ann Smith"})
    assert changed.json() == contact | {"name": "Ann Smith"}
    assert (await api.patch(path, headers=headers, json={})).json() == changed.json()

    assert (await api.delete(path, headers=headers)).status_code == 204
    assert (await api.get(path, headers=headers)).status_code == 404
    assert (await api.delete(path, headers=headers)).status_code == 404


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "A\u0000B"}, "name"),
        ({"email": "nobody"}, "email"),
        ({"email": "a\u0000@example.org"}, "email"),
        ({"amount": "1.234"}, "amount"),
        ({"amount": "1234567890123"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "ten"}, "amount"),
        ({MINE: str(uuid.uuid4())}, MINE),
        ({"id": str(uuid.uuid4())}, "id"),
    ],
)
async def test_a_bad_field_is_named(
    api: httpx.AsyncClient, headers: dict[str, str], fields: dict[str, str], wrong: str
) -> None:
    refused = await add(api, headers, **fields)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in refused.json()["errors"]] == [wrong]


async def test_an_email_belongs_to_one_contact(
    api: httpx.AsyncClient, headers: dict[str, str], token: MintToken
) -> None:
    email = f"{uuid.uuid4().hex}@example.org"
    assert (await add(api, headers, email=email)).status_code == 201
    refused = await add(api, headers, email=email.upper())
    assert refused.status_code == 409
    assert email not in refused.text

    elsewhere = uuid.uuid4().hex
    other = {"Authorization": f"Bearer {token(user=elsewhere, org=elsewhere)}"}
    assert (await add(api, other, email=email)).status_code == 201


async def test_pages_hold_every_contact_once_and_the_newest_first(
    api: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    added = [(await add(api, headers)).json()["id"] for _ in range(7)]
    found: list[str] = []
    sizes: list[int] = []
    cursor: str | None = None
    while True:
        parameters = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/api/v1/contacts", headers=headers, params=parameters)).json()
        sizes.append(len(page["items"]))
        found += [contact["id"] for contact in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sizes == [3, 3, 1]
    assert found == added[::-1]


async def test_the_last_full_page_has_no_next(
    api: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    for _ in range(2):
        await add(api, headers)
    page = await api.get("/api/v1/contacts", headers=headers, params={"limit": 2})
    assert len(page.json()["items"]) == 2
    assert page.json()["next_cursor"] is None


@pytest.mark.parametrize(
    ("q", "finds"),
    [
        ("zo", ["Zoë Öz"]),
        ("ZOË Ö", ["Zoë Öz"]),
        ("mail-of-", ["Bob"]),
        ("oë", []),
        ("%", []),
        ("_", []),
        ("'; drop table contacts; --", []),
        ("", ["Bob", "Zoë Öz"]),
    ],
)
async def test_search_finds_what_begins_like_it(
    api: httpx.AsyncClient, headers: dict[str, str], q: str, finds: list[str]
) -> None:
    await add(api, headers, name="Zoë Öz")
    await add(api, headers, name="Bob", email=f"mail-of-{uuid.uuid4().hex}@example.org")
    page = await api.get("/api/v1/contacts", headers=headers, params={"q": q})
    assert [contact["name"] for contact in page.json()["items"]] == finds
