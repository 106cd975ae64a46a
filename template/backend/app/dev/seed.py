"""Demo data, made as a customer would make it: through the public API, with a CSV import.

Running it again changes nothing: people are known by their tokens, the import by its key.
"""

import csv
import io
import random
import time
from pathlib import Path
from typing import Any

import httpx

from app.dev.choices import people
from app.dev.issuer_key import issuer_url, load_or_create
from app.dev.people import Person
from app.dev.tokens import mint

CONTACTS = 200

_IMPORT_SECONDS = 60.0
_KEY = "demo-contacts-1"
_FIRST = ("Ada", "Alan", "Barbara", "Dennis", "Edsger", "Frances", "Grace", "Hedy", "Radia", "Tim")
_LAST = ("Allen", "Dijkstra", "Hamilton", "Hopper", "Kernighan", "Knuth", "Lamarr", "Liskov")
_COMPANY = ("Initech", "Hooli", "Umbrella", "Stark Industries", "Wayne Enterprises", "Tyrell")


class SeedError(RuntimeError):
    """The demo data could not be made; the message says why."""


def fill(api: str, dev_dir: Path) -> str:
    """Make the demo data of both tenants and say in one line what is there.

    Args:
        api: The API's address.
        dev_dir: Where the development issuer keeps its key.

    Raises:
        SeedError: The API refused something, or no worker did the import.
    """
    with httpx.Client(base_url=f"{api}/api/v1", timeout=30.0, trust_env=False) as client:
        try:
            for tenant, members in people.DEMO.items():
                tokens = [_token(dev_dir, person) for person in members]
                for token in tokens:
                    _ok(client.get("/me", headers=_as(token)))
                _import(client, tokens[0], tenant)
        except httpx.TransportError as error:
            raise SeedError(f"the API does not answer: {error}") from error
    people_count = sum(len(members) for members in people.DEMO.values())
    return (
        f"demo data: {' and '.join(people.DEMO)}, {people_count} people, "
        f"{CONTACTS} contacts imported into each"
    )


def _token(dev_dir: Path, person: Person) -> str:
    return mint(
        person.user,
        person.organization,
        person.role,
        issuer=issuer_url(dev_dir),
        key=load_or_create(dev_dir),
    )


def _import(client: httpx.Client, token: str, tenant: str) -> None:
    file = ("contacts.csv", contacts_csv(tenant), "text/csv")
    headers = {**_as(token), "Idempotency-Key": _KEY}
    started = _ok(client.post("/imports", headers=headers, files={"file": file}))
    deadline = time.monotonic() + _IMPORT_SECONDS
    while True:
        state = _ok(client.get(f"/imports/{started['id']}", headers=_as(token)))
        if state["status"] == "succeeded":
            return
        if state["status"] == "failed":
            raise SeedError(f"the import into {tenant} failed: {state['error']}")
        if time.monotonic() > deadline:
            raise SeedError(
                f"the import into {tenant} is still {state['status']} after "
                f"{_IMPORT_SECONDS:.0f} seconds"
            )
        time.sleep(0.05)


def contacts_csv(tenant: str) -> bytes:
    """Return a CSV of contacts, the same one for the same tenant every time."""
    choose = random.Random(tenant)  # noqa: S311  # names, not secrets
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["name", "email", "company", "amount"])
    for number in range(1, CONTACTS + 1):
        first, last = choose.choice(_FIRST), choose.choice(_LAST)
        company = choose.choice(_COMPANY)
        email = f"{first}.{last}.{number}@{company.replace(' ', '-')}.example".lower()
        writer.writerow([f"{first} {last}", email, company, f"{choose.uniform(10, 9000):.2f}"])
    return text.getvalue().encode()


def _as(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _ok(response: httpx.Response) -> dict[str, Any]:
    if not response.is_success:
        raise SeedError(
            f"{response.request.method} {response.request.url.path} answered "
            f"{response.status_code}: {response.text[:500]}"
        )
    content: dict[str, Any] = response.json()
    return content
