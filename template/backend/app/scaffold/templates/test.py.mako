<% required = [field for field in fields if not field.is_optional] %>\
<% optional = [field for field in fields if field.is_optional] %>\
"""${names.words.capitalize()} over HTTP."""

import uuid

import httpx
import pytest

from app.choices import tenancy
from tests.conftest import MintToken

PATH = "/api/v1/${names.route}"
GIVEN = {
% for field in fields:
    "${field.name}": ${field.kind.examples[0]},
% endfor
}
CHANGED = {
% for field in fields:
    "${field.name}": ${field.kind.examples[1]},
% endfor
}


def somebody(token: MintToken, role: str = "admin") -> dict[str, str]:
    """The headers of somebody whom no other test knows."""
    name = uuid.uuid4().hex
    return {"Authorization": f"Bearer {token(user=name, org=name, role=role)}"}


@pytest.fixture
def headers(token: MintToken) -> dict[str, str]:
    return somebody(token)


async def add(api: httpx.AsyncClient, headers: dict[str, str], **fields: object) -> httpx.Response:
    return await api.post(PATH, headers=headers, json=GIVEN | fields)


async def test_one_can_be_added_read_changed_and_deleted(
    api: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    created = await add(api, headers)
    assert created.status_code == 201
    made = created.json()
    assert made == GIVEN | {"id": made["id"], "created_at": made["created_at"]}

    path = f"{PATH}/{made['id']}"
    assert (await api.get(path, headers=headers)).json() == made

    changed = await api.patch(path, headers=headers, json=CHANGED)
    assert changed.json() == made | CHANGED
    assert (await api.patch(path, headers=headers, json={})).json() == changed.json()

    assert (await api.delete(path, headers=headers)).status_code == 204
    for method, body in (("GET", None), ("PATCH", CHANGED), ("PATCH", {}), ("DELETE", None)):
        gone = await api.request(method, path, headers=headers, json=body)
        assert gone.status_code == 404


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
% for field in fields:
% for value in field.kind.wrong:
        ({"${field.name}": ${value}}, "${field.name}"),
% endfor
% endfor
% for field in required:
        ({"${field.name}": None}, "${field.name}"),
% endfor
        ({"id": str(uuid.uuid4())}, "id"),
        ({tenancy.TENANT_COLUMN: str(uuid.uuid4())}, tenancy.TENANT_COLUMN),
    ],
)
async def test_a_bad_field_is_named(
    api: httpx.AsyncClient, headers: dict[str, str], fields: dict[str, object], wrong: str
) -> None:
    refused = await add(api, headers, **fields)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == [wrong]
    path = f"{PATH}/{(await add(api, headers)).json()['id']}"
    assert (await api.patch(path, headers=headers, json=fields)).status_code == 422
% if required:


@pytest.mark.parametrize("name", [${", ".join(f'"{field.name}"' for field in required)}])
async def test_what_is_needed_must_be_there(
    api: httpx.AsyncClient, headers: dict[str, str], name: str
) -> None:
    rest = {other: value for other, value in GIVEN.items() if other != name}
    refused = await api.post(PATH, headers=headers, json=rest)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == [name]
% endif
% if optional:


@pytest.mark.parametrize("name", [${", ".join(f'"{field.name}"' for field in optional)}])
async def test_what_is_optional_can_be_left_out_and_taken_away(
    api: httpx.AsyncClient, headers: dict[str, str], name: str
) -> None:
    rest = {other: value for other, value in GIVEN.items() if other != name}
    without = await api.post(PATH, headers=headers, json=rest)
    assert without.status_code == 201
    assert without.json()[name] is None
    made = (await add(api, headers)).json()
    cleared = await api.patch(f"{PATH}/{made['id']}", headers=headers, json={name: None})
    assert cleared.json() == made | {name: None}
% endif


async def test_pages_hold_each_once_and_the_newest_first(
    api: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    added = [(await add(api, headers)).json() for _ in range(7)]
    found: list[object] = []
    sizes: list[int] = []
    cursor: str | None = None
    while True:
        parameters = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = (await api.get(PATH, headers=headers, params=parameters)).json()
        sizes.append(len(page["items"]))
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sizes == [3, 3, 1]
    assert found == added[::-1]


@pytest.mark.parametrize("parameters", [{"limit": "0"}, {"limit": "201"}, {"cursor": "one"}])
async def test_a_page_has_bounds(
    api: httpx.AsyncClient, headers: dict[str, str], parameters: dict[str, str]
) -> None:
    refused = await api.get(PATH, headers=headers, params=parameters)
    assert refused.status_code == 422
% if tenant == "organization":


@pytest.mark.parametrize(
    ("role", "may_write"), [("owner", 201), ("admin", 201), ("member", 201), ("viewer", 403)]
)
async def test_everybody_reads_and_members_write(
    api: httpx.AsyncClient, token: MintToken, role: str, may_write: int
) -> None:
    headers = somebody(token, role)
    assert (await api.get(PATH, headers=headers)).status_code == 200
    assert (await add(api, headers)).status_code == may_write
% endif


async def test_another_tenant_sees_and_changes_nothing(
    api: httpx.AsyncClient, headers: dict[str, str], token: MintToken
) -> None:
    made = (await add(api, headers)).json()
    path = f"{PATH}/{made['id']}"
    stranger = somebody(token)
    assert (await api.get(PATH, headers=stranger)).json() == {"items": [], "next_cursor": None}
    for method, body in (("GET", None), ("PATCH", CHANGED), ("DELETE", None)):
        refused = await api.request(method, path, headers=stranger, json=body)
        assert refused.status_code == 404
    assert (await api.get(path, headers=headers)).json() == made
