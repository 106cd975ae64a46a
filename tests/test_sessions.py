"""Signing in with each provider's own module, in a browser, against what speaks the provider's protocol.

The front end is what production serves, without the development issuer; the API verifies the
provider's tokens. So these are the tests of `frontend/src/session/`, and of what it keeps where.
"""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from alongside import api_of, front_end_of
from browsing import Tab, chromium
from driving import Product, free_port, until
from rendering import Answers, in_browsers, name_of
from signing_in import Provider, new_key

pytest_plugins = ["products"]

SETTINGS = {"WEB": "production", "SEED": "1", "IMPORT_CHUNK_ROWS": "500"}
"""As in `test_browser.py`, so that the product goes on running between the two."""

AUDIENCE = "https://api.example.com"
ORGANIZATION = {"org_id": "org_42", "org_name": "initech", "roles": ["admin"]}


def of(provider: str) -> pytest.MarkDecorator:
    chosen: list[Answers] = [
        answers for answers in in_browsers() if answers["auth_provider"] == provider
    ]
    return pytest.mark.parametrize(
        "combination", chosen, ids=name_of, indirect=True, scope="session"
    )


@pytest.fixture(scope="session")
def running(product: Product) -> Product:
    return product.running(**SETTINGS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def use_the_product(page: Page) -> None:
    """Add a contact, and find it: the API lets in who carries the provider's token."""
    email = f"{secrets.token_hex(4)}@example.com"
    page.goto("/app/contacts/new")
    page.get_by_label("Name", exact=True).fill("Ada Lovelace")
    page.get_by_label("Email address").fill(email)
    page.get_by_role("button", name="Add the contact").click()
    expect(page.get_by_role("cell", name=email)).to_be_visible()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()


def kept(tab: Tab, name: str) -> dict[str, object] | None:
    """A cookie of the browser's."""
    return next((dict(found) for found in tab.context.cookies() if found["name"] == name), None)


# --- OpenID Connect: npm's oidc-provider, which is certified ---------------------------------------

SESSION = "__Host-session"
# Less than the margin within which the front end renews: so each page that is asked for renews.
ALWAYS_RENEWED = 30


class Office:
    """A provider, an API that trusts it, and a front end that sends people there."""

    def __init__(self, provider: Provider, url: str) -> None:
        self.provider = provider
        self.url = url

    def sign_in(self, page: Page, user: str) -> None:
        """From the product's sign-in page through the provider's, and back."""
        page.get_by_role("link", name="Continue to sign in").click()
        page.wait_for_url(f"{self.provider.issuer}/**")
        page.locator("input[name=login]").fill(user)
        page.locator("input[name=password]").fill("any")
        page.locator("button[type=submit]").click()
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(f"{self.url}/app**")


@pytest.fixture(scope="module")
def office(running: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    port = free_port()
    provider = Provider(
        tmp_path_factory.mktemp("provider"),
        ORGANIZATION,
        app_url=f"http://localhost:{port}",
        token_seconds=ALWAYS_RENEWED,
    )
    provider.install()
    provider.start([new_key("RS256")])
    trusted = {
        "AUTH_PRESET": "rfc9068",
        "AUTH_ISSUER": provider.issuer,
        "AUTH_AUDIENCE": AUDIENCE,
        "AUTH_CLIENT_IDS": "app",
        "AUTH_JWKS_URL": "",
        "AUTH_ORGANIZATION_CLAIM": "",
        "AUTH_ROLE_CLAIM": "",
        "ALLOWED_ORIGINS": f"http://localhost:{port}",
    }
    known_there = {
        "OIDC_ISSUER": provider.issuer,
        "OIDC_CLIENT_ID": "app",
        "OIDC_CLIENT_SECRET": provider.app_secret,
        "OIDC_AUDIENCE": AUDIENCE,
        "SESSION_SECRET": secrets.token_urlsafe(32),
    }
    with (
        api_of(running, **trusted) as api,
        front_end_of(running, api, port, **known_there) as url,
    ):
        yield Office(provider, url)
    provider.stop()


@pytest.fixture
def at_office(office: Office, browser: Browser) -> Iterator[Tab]:
    tab = Tab(browser, office.url, theirs=office.provider.issuer)
    yield tab
    tab.close()
    assert not tab.wrong


@of("oidc")
def test_oidc_from_signing_in_to_signing_out(office: Office, at_office: Tab) -> None:
    page = at_office.go("/app/contacts")
    assert page.url == f"{office.url}/sign-in"
    office.sign_in(page, "ada")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_text("What happened lately in initech.")).to_be_visible()
    use_the_product(page)

    session = kept(at_office, SESSION)
    assert session
    assert session["httpOnly"]
    assert session["secure"]
    assert (session["sameSite"], session["path"]) == ("Lax", "/")
    assert session["domain"] == "localhost"
    # Encrypted: neither a script nor who copies it out of the browser reads a token in it.
    assert str(session["value"]).count(".") == 4
    assert page.evaluate("document.cookie").find("__Host") == -1
    assert kept(at_office, "__Host-signing-in") is None

    sign_out(page)
    page.wait_for_url(f"{office.provider.issuer}/**")
    page.get_by_role("button", name=re.compile("Yes")).click()
    page.wait_for_url(f"{office.url}/sign-in**")
    assert kept(at_office, SESSION) is None
    assert at_office.go("/app").url == f"{office.url}/sign-in"
    # Gone at the provider as well: it asks again who it is.
    page.get_by_role("link", name="Continue to sign in").click()
    expect(page.locator("input[name=login]")).to_be_visible()


@of("oidc")
def test_oidc_renews_once_for_all_that_a_page_asks_at_the_same_time(
    office: Office, at_office: Tab
) -> None:
    """The provider ends a session whose refresh token comes twice: none of these may."""
    page = at_office.go("/sign-in")
    office.sign_in(page, "grace")
    seen = set()
    before = office.provider.grants("refresh_token")
    for _ in range(3):
        session = kept(at_office, SESSION)
        assert session
        seen.add(session["value"])
        page.goto("/app/contacts")
        statuses = page.evaluate(
            """() => Promise.all(Array.from({ length: 8 }, (_, at) =>
                fetch(`/app/contacts?q=${at}`).then((answer) => answer.url.includes("/sign-in") ? 401 : answer.status)))"""
        )
        assert statuses == [200] * 8
    assert len(seen) == 3
    renewed = office.provider.grants("refresh_token") - before
    assert 3 <= renewed <= 6, renewed
    use_the_product(page)


@of("oidc")
def test_oidc_over_at_the_provider_is_over_here(office: Office, at_office: Tab) -> None:
    page = at_office.go("/sign-in")
    office.sign_in(page, "edsger")
    office.provider.start([new_key("RS256")])  # it has forgotten every session
    page.goto("/app/contacts")
    assert "/sign-in" in page.url
    assert kept(at_office, SESSION) is None


@of("oidc")
@pytest.mark.parametrize("forged", ["a.b.c.d.e", "eyJhbGciOiJub25lIn0.e30.", "x" * 3000])
def test_oidc_a_session_that_was_not_sealed_here_is_none(
    office: Office, at_office: Tab, forged: str
) -> None:
    cookie = {"name": SESSION, "value": forged, "url": office.url.replace("http:", "https:")}
    at_office.context.add_cookies([{**cookie, "secure": True, "httpOnly": True}])  # type: ignore[list-item]
    assert "/sign-in" in at_office.go("/app/contacts").url


@of("oidc")
def test_oidc_a_sign_in_that_was_begun_elsewhere_leads_nowhere(office: Office) -> None:
    """An attacker's code in a victim's browser, a state that is not the one, a cookie of another kind."""
    with httpx.Client(base_url=office.url, trust_env=False) as stranger:
        answer = stranger.get("/session/callback?code=stolen&state=guessed")
        assert answer.headers["location"] == "/sign-in?error=lost"
        begun = stranger.get("/session/sign-in?to=//evil.example")
        assert begun.headers["location"].startswith(office.provider.issuer)
        [signing_in] = [
            cookie for cookie in begun.headers.get_list("set-cookie") if "signing-in" in cookie
        ]
        assert signing_in.startswith("__Host-signing-in=")
        value = signing_in.partition("=")[2].partition(";")[0]
        own = {"Cookie": f"__Host-signing-in={value}"}
        answer = stranger.get("/session/callback?code=stolen&state=guessed", headers=own)
        assert answer.headers["location"] == "/sign-in?error=refused"
        assert SESSION not in str(answer.headers.get_list("set-cookie"))
        # What is sealed for a sign-in opens no session.
        answer = stranger.get("/app", headers={"Cookie": f"{SESSION}={value}"})
        assert answer.headers["location"] == "/sign-in"
