"""People who work in an organization that the product manages, as tests need them."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from app.dev.choices import provider
from app.dev.mail.catcher import Mailbox
from tests.conftest import MintToken
from tests.mails import mails_to, token_in

ORGANIZATIONS = "/api/v1/organizations"
INVITATIONS = "/api/v1/invitations"
ACCEPT = f"{INVITATIONS}/accept"
MEMBERS = "/api/v1/members"


@dataclass
class Person:
    """Somebody who has signed in, with a confirmed address, and names where they work."""

    api: httpx.AsyncClient
    token: str
    email: str
    organization: str | None = None

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **request.pop("headers", {})}
        if self.organization is not None:
            headers.setdefault("X-Organization", self.organization)
        return await self.api.request(method, path, headers=headers, **request)

    async def get(self, path: str, **request: Any) -> httpx.Response:
        return await self.ask("GET", path, **request)

    async def post(self, path: str, **request: Any) -> httpx.Response:
        return await self.ask("POST", path, **request)

    async def me(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.get("/api/v1/me")).json()
        return answer

    async def member_id(self, user_id: str) -> str:
        """The id of the membership of a user of this person's organization."""
        members = (await self.get(MEMBERS)).json()["items"]
        return str(next(member["id"] for member in members if member["user_id"] == user_id))


@dataclass
class Staff:
    """Makes people and organizations."""

    api: httpx.AsyncClient
    mint: MintToken
    mailbox: Mailbox

    def person(self, email: str | None = None, *, confirmed: bool = True) -> Person:
        """Somebody new, who works nowhere yet."""
        name = uuid4().hex
        email = email or f"{name}@example.com"
        claims: dict[str, Any] = provider.address(email) if confirmed else {}
        return Person(self.api, self.mint(name, None, **claims), email)

    async def owner(self, name: str = "Analytical Engines") -> Person:
        """The owner of an organization of their own."""
        person = self.person()
        made = await person.post(ORGANIZATIONS, json={"name": name})
        assert made.status_code == 201, made.text
        person.organization = made.json()["id"]
        return person

    async def invited(self, by: Person, to: Person, role: str = "member") -> str:
        """Have somebody invited, and return the token of the link that they got."""
        sent = await by.post(INVITATIONS, json={"email": to.email, "role": role})
        assert sent.status_code == 201, sent.text
        [mail] = await mails_to(self.mailbox, to.email)
        return token_in(mail)

    async def colleague(self, of: Person, role: str = "member") -> Person:
        """Somebody who was invited, and accepted."""
        person = self.person()
        token = await self.invited(of, person, role)
        accepted = await person.post(ACCEPT, json={"token": token})
        assert accepted.status_code == 200, accepted.text
        person.organization = of.organization
        return person
