"""Signing in with each provider's own module, against what speaks the provider's protocol.

The front end is what production serves, without the development issuer; the API verifies the
provider's tokens. So these are the tests of `frontend/src/session/`, and of what it keeps where.
"""

import base64
import hashlib
import json
import re
import secrets
import time
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from playwright.sync_api import Browser, FilePayload, Page, expect

from alongside import api_of, front_end_of
from browsing import Tab
from driving import Product, claims_of, free_port
from gotrue import GoTrue, serving
from rendering import Answers, in_browsers, name_of
from signing_in import Provider, new_key
from test_browser import browser, running

pytest_plugins = ["products"]

# Of the same product as there, which goes on running between the two.
__all__ = ["browser", "running"]

AUDIENCE = "https://api.example.com"
KEY = RSAKey.generate_key(2048)
"""Nobody's."""

ORGANIZATION = {"org_id": "org_42", "org_name": "initech", "roles": ["admin"]}


def of(provider: str) -> pytest.MarkDecorator:
    chosen: list[Answers] = [
        answers for answers in in_browsers() if answers["auth_provider"] == provider
    ]
    return pytest.mark.parametrize(
        "combination", chosen, ids=name_of, indirect=True, scope="session"
    )


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


# --- OpenID Connect: npm's oidc-provider, which is certified --------------------------------------

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
        # This provider keeps to the letter: no refresh token without consent.
        "OIDC_PROMPT": "consent",
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
    page = at_office.go("/app")
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
        reached = page.evaluate(
            """() => Promise.all(Array.from({ length: 8 }, async (_, at) =>
                new URL((await fetch(`/app/contacts?q=${at}`)).url).pathname))"""
        )
        assert reached == ["/app/contacts"] * 8
    assert len(seen) == 3
    # A page, what Next fetches ahead for its links, and eight more: thirty requests and more.
    renewed = office.provider.grants("refresh_token") - before
    assert 3 <= renewed <= 15, renewed
    use_the_product(page)


@of("oidc")
def test_oidc_over_at_the_provider_is_over_here(office: Office, at_office: Tab) -> None:
    page = at_office.go("/sign-in")
    office.sign_in(page, "edsger")
    office.provider.start([new_key("RS256")])  # it has forgotten every session
    page.goto("/app/contacts?q=ada")
    assert "/sign-in" in page.url
    assert kept(at_office, SESSION) is None
    office.sign_in(page, "edsger")
    assert page.url == f"{office.url}/app/contacts?q=ada"


@of("oidc")
@pytest.mark.parametrize("forged", ["a.b.c.d.e", "eyJhbGciOiJub25lIn0.e30.", "x" * 3000])
def test_oidc_a_session_that_was_not_sealed_here_is_none(
    office: Office, at_office: Tab, forged: str
) -> None:
    address = office.url.replace("http:", "https:")
    at_office.context.add_cookies(
        [{"name": SESSION, "value": forged, "url": address, "secure": True, "httpOnly": True}]
    )
    assert "/sign-in" in at_office.go("/app/contacts").url


@of("oidc")
def test_oidc_a_sign_in_that_was_begun_elsewhere_leads_nowhere(office: Office) -> None:
    """An attacker's code in a victim's browser, another state, a cookie of another kind."""
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


# --- Supabase: its protocol on loopback -----------------------------------------------------------


@pytest.fixture(scope="module")
def gotrue(running: Product) -> Iterator[GoTrue]:
    with serving(running) as service:
        yield service


@pytest.fixture(scope="module")
def supabase_url(running: Product, gotrue: GoTrue) -> Iterator[str]:
    known_there = {"SUPABASE_URL": gotrue.url, "SUPABASE_PUBLISHABLE_KEY": gotrue.key}
    with front_end_of(running, running.url, free_port(), **known_there) as url:
        yield url


@pytest.fixture
def at_supabase(supabase_url: str, gotrue: GoTrue, browser: Browser) -> Iterator[Tab]:
    gotrue.seconds = 3600
    tab = Tab(browser, supabase_url)
    yield tab
    tab.close()
    assert not tab.wrong


def new_address() -> str:
    return f"ada-{secrets.token_hex(4)}@example.com"


def enter(page: Page, email: str, password: str, button: str = "Sign in") -> None:
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name=button, exact=True).click()


def cookies_of_supabase(tab: Tab) -> dict[str, str]:
    kept = [cookie for cookie in tab.context.cookies() if cookie["name"].startswith("sb-")]
    for cookie in kept:
        assert cookie["httpOnly"], cookie["name"]
        assert cookie["secure"], cookie["name"]
        assert cookie["sameSite"] == "Lax", cookie["name"]
    assert "sb-" not in tab.page.evaluate("document.cookie")
    return {str(cookie["name"]): str(cookie["value"]) for cookie in kept if cookie["value"]}


def time_passes(tab: Tab) -> None:
    """Have the browser keep the same session with an access token whose time is over."""
    kept = [cookie for cookie in tab.context.cookies() if cookie["name"].startswith("sb-")]
    parts = sorted((cookie for cookie in kept if cookie["value"]), key=lambda each: each["name"])
    prefix, _, encoded = "".join(cookie["value"] for cookie in parts).partition("-")
    session = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    session["expires_at"] = int(time.time()) - 1
    text = base64.urlsafe_b64encode(json.dumps(session).encode()).decode().rstrip("=")
    written = f"{prefix}-{text}"
    for place, cookie in enumerate(parts, 1):
        length = len(cookie["value"]) if place < len(parts) else len(written)
        value, written = written[:length], written[length:]
        tab.context.add_cookies(
            [
                {
                    "name": cookie["name"],
                    "value": value,
                    "domain": cookie["domain"],
                    "path": cookie["path"],
                    "httpOnly": True,
                    "secure": True,
                    "sameSite": "Lax",
                }
            ]
        )


@of("supabase")
def test_supabase_from_signing_in_to_signing_out(gotrue: GoTrue, at_supabase: Tab) -> None:
    email = new_address()
    gotrue.add(email, "correct horse")
    page = at_supabase.go("/app")
    assert page.url.endswith("/sign-in")
    enter(page, email, "battery staple")
    expect(page.get_by_text("Invalid login credentials")).to_be_visible()
    expect(page.get_by_label("Email address")).to_have_value(email)
    enter(page, email, "correct horse")
    page.wait_for_url("**/app")
    use_the_product(page)
    assert cookies_of_supabase(at_supabase)

    sign_out(page)
    page.wait_for_url("**/sign-in")
    assert not cookies_of_supabase(at_supabase)
    assert not [found for found in gotrue.sessions if found.account.email == email]
    assert at_supabase.go("/app").url.endswith("/sign-in")


@of("supabase")
def test_supabase_an_account_is_made_and_confirmed_by_mail(
    gotrue: GoTrue, at_supabase: Tab, supabase_url: str
) -> None:
    email = new_address()
    page = at_supabase.go("/sign-in")
    enter(page, email, "correct horse", "Create an account")
    expect(page.get_by_text("Look into your mail")).to_be_visible()
    enter(page, email, "correct horse")
    expect(page.get_by_text("Email not confirmed")).to_be_visible()
    # The code in the link is good in this browser alone, which has the verifier.
    back = gotrue.verify(dict(httpx.URL(gotrue.mails[email]).params))
    elsewhere = httpx.get(back, trust_env=False)
    assert elsewhere.headers["location"] == "/sign-in?error=link"
    at_supabase.go("/sign-in?error=link")
    expect(page.get_by_text("That link is no longer good.")).to_be_visible()
    # An address says in nobody's words but ours what went wrong.
    at_supabase.go("/sign-in?error=Call+555+now")
    expect(page.get_by_text("555")).to_have_count(0)
    gotrue.sign_up({"redirect_to": back.partition("?")[0]}, gotrue.asked[email])
    at_supabase.go(gotrue.verify(dict(httpx.URL(gotrue.mails[email]).params)))
    assert page.url == f"{supabase_url}/app"
    use_the_product(page)


@of("supabase")
def test_supabase_renews_before_the_token_ends(gotrue: GoTrue, at_supabase: Tab) -> None:
    email = new_address()
    gotrue.add(email, "correct horse")
    # Less than the margin within which Supabase's library renews.
    gotrue.seconds = 60
    renewals = gotrue.renewals
    page = at_supabase.go("/sign-in")
    enter(page, email, "correct horse")
    page.wait_for_url("**/app")
    page.goto("/app/contacts")
    expect(page.get_by_role("heading", name="Contacts", exact=True)).to_be_visible()
    assert gotrue.renewals > renewals
    use_the_product(page)
    assert cookies_of_supabase(at_supabase)


@of("supabase")
def test_supabase_a_session_that_was_ended_elsewhere_leads_to_the_sign_in_page_and_back(
    gotrue: GoTrue, at_supabase: Tab
) -> None:
    """Its refresh token is refused: seen by a page that is loaded, by a link, and by a form."""
    email = new_address()
    gotrue.add(email, "correct horse")
    page = at_supabase.go("/sign-in")
    enter(page, email, "correct horse")
    page.wait_for_url("**/app")

    def ended_elsewhere() -> None:
        # A link that is being fetched ahead brings the cookies once more.
        page.wait_for_load_state("networkidle")
        gotrue.sessions = [found for found in gotrue.sessions if found.account.email != email]
        # The access token stays good until its own end, whatever becomes of the session.
        time_passes(at_supabase)

    def come_back(to: str) -> None:
        page.wait_for_url(f"**/sign-in?to={quote(to, safe='')}")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert not cookies_of_supabase(at_supabase)
        enter(page, email, "correct horse")
        page.wait_for_url(f"**{to}")

    ended_elsewhere()
    page.goto("/app/contacts?q=ada")
    come_back("/app/contacts?q=ada")
    ended_elsewhere()
    page.get_by_role("link", name="Imports", exact=True).click()
    come_back("/app/imports")
    page.goto("/app/contacts/new")
    page.get_by_label("Name", exact=True).fill("Ada Lovelace")
    page.get_by_label("Email address").fill(email)
    ended_elsewhere()
    page.get_by_role("button", name="Add the contact").click()
    come_back("/app/contacts/new")
    use_the_product(page)


# --- Clerk: its tokens, without its service -------------------------------------------------------

CLERK = "clerk.acme.example"
# The tokens of development name this front end.
PARTY = "http://localhost:3000"


@pytest.fixture(scope="module")
def clerk(running: Product) -> Iterator[httpx.Client]:
    """A front end that knows the key with which tokens are signed, and cannot reach Clerk."""
    issuer = running.runtime()["urls"]["issuer"]
    published = httpx.get(f"{issuer}/.well-known/jwks.json", trust_env=False).json()
    pem = RSAKey.import_key(published["keys"][0]).as_pem(private=False).decode()
    known_there = {
        "CLERK_PUBLISHABLE_KEY": _publishable("live"),
        "CLERK_SECRET_KEY": f"sk_live_{secrets.token_urlsafe(32)}",
        "CLERK_JWT_KEY": pem,
    }
    with (
        front_end_of(running, running.url, free_port(), **known_there) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=60.0) as client,
    ):
        yield client


def _publishable(kind: str) -> str:
    return f"pk_{kind}_{base64.b64encode(f'{CLERK}$'.encode()).decode()}"


def page_with(clerk: httpx.Client, path: str, token: str | None) -> httpx.Response:
    """A page as a browser asks for it that has this session."""
    headers = {"Accept": "text/html", "Sec-Fetch-Dest": "document"}
    return clerk.get(path, headers=headers | cookies_with(token))


def cookies_with(token: str | None) -> dict[str, str]:
    """Named after the instance, as Clerk's own script names them."""
    if token is None:
        return {}
    instance = hashlib.sha1(_publishable("live").encode(), usedforsecurity=False).digest()
    suffix = base64.urlsafe_b64encode(instance).decode()[:8]
    signed_in_at = claims_of(token)[1]["iat"] - 10
    return {"Cookie": f"__session_{suffix}={token}; __client_uat_{suffix}={signed_in_at}"}


@of("clerk")
def test_clerk_a_session_of_its_shape_opens_the_product(
    running: Product, clerk: httpx.Client
) -> None:
    token = running.token("u1", f"initech-{secrets.token_hex(4)}")
    header, claims = claims_of(token)
    assert (header["typ"], claims["v"], claims["azp"]) == ("JWT", 2, PARTY)
    answer = page_with(clerk, "/app", token)
    assert answer.status_code == httpx.codes.OK, answer.headers
    # What the API says of who carries this token.
    assert f"What happened lately in {claims['o']['slg']}." in answer.text
    assert token not in answer.text


@of("clerk")
def test_clerk_a_file_is_taken_although_it_does_not_come_past_the_proxy(
    running: Product, clerk: httpx.Client
) -> None:
    other = jwt.encode({"alg": "RS256"}, claims_of(running.token("u1", "acme"))[1], KEY)
    row = f"name,email,company,amount\nAda,{secrets.token_hex(4)}@example.com,Initech,1\n"

    def sent(token: str | None) -> httpx.Response:
        headers = {"Sec-Fetch-Site": "same-origin", "Idempotency-Key": secrets.token_hex(8)}
        file = {"file": ("people.csv", row, "text/csv")}
        return clerk.post("/app/imports/upload", files=file, headers=headers | cookies_with(token))

    answer = sent(running.token("u1", "acme"))
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    assert answer.json()["status"] == "queued"
    for stranger in (None, other, running.token("u1", "acme", ttl=-60)):
        refused = sent(stranger)
        # The form that holds the file shows this.
        assert refused.status_code == httpx.codes.UNAUTHORIZED
        assert refused.json()["detail"].startswith("Your session has ended.")


@of("clerk")
def test_clerk_a_session_that_ended_while_nobody_looked_is_renewed_before_a_file_is_sent(
    running: Product, clerk: httpx.Client, browser: Browser
) -> None:
    """By Clerk's own script, which cannot be loaded here: what stands for it writes the cookie."""
    context = browser.new_context(base_url=str(clerk.base_url))
    context.route(f"https://{CLERK}/**", lambda route: route.abort())

    def carry(token: str) -> None:
        kept = [pair.split("=", 1) for pair in cookies_with(token)["Cookie"].split("; ")]
        context.add_cookies(
            [{"name": name, "value": value, "url": str(clerk.base_url)} for name, value in kept]
        )

    carry(running.token("u1", "acme"))
    page = context.new_page()
    page.goto("/app/imports")
    row = f"name,email,company,amount\nAda,{secrets.token_hex(4)}@example.com,Initech,1\n"
    file: FilePayload = {"name": "a.csv", "mimeType": "text/csv", "buffer": row.encode()}
    page.get_by_test_id("drop").locator("input").set_input_files(file)
    expect(page.get_by_role("cell", name="Initech")).to_be_visible()
    carry(running.token("u1", "acme", ttl=-60))
    page.get_by_role("button", name="Import these contacts").click()
    expect(page.get_by_text("Your session has ended.")).to_be_visible()

    fresh = cookies_with(running.token("u1", "acme"))["Cookie"].partition(";")[0]
    page.evaluate(
        """cookie => {
            const getToken = async () => { document.cookie = `${cookie}; path=/`; };
            window.Clerk = { session: { getToken } };
        }""",
        fresh,
    )
    page.get_by_role("button", name="Import these contacts").click()
    page.wait_for_url(re.compile(r"/app/imports/[0-9a-f-]{36}$"))
    context.close()


@of("clerk")
def test_clerk_no_other_session_does(running: Product, clerk: httpx.Client) -> None:
    token = running.token("u1", "acme")
    head, body, signature = token.split(".")
    claims = claims_of(token)[1]
    other = jwt.encode({"alg": "RS256", "kid": claims_of(token)[0]["kid"]}, claims, KEY)
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    for what, forged in {
        "nobody": None,
        "signed by somebody else": other,
        "signed for something else": f"{head}.{body}.{signature[::-1]}",
        "not signed": f"{unsigned}.{body}.",
        "over": running.token("u1", "acme", ttl=-60),
    }.items():
        answer = page_with(clerk, "/app/contacts", forged)
        assert answer.is_redirect, what
        to = httpx.URL(answer.headers["location"])
        # To sign in; or to Clerk, which knows whether there is still a session to renew.
        assert (to.host, to.path) in {("", "/sign-in"), (CLERK, "/v1/client/handshake")}, (what, to)
        # Clerk's middleware has looked at the token itself, unless there was none.
        is_missing = answer.headers["x-clerk-auth-reason"] == "session-token-and-uat-missing"
        assert is_missing is (forged is None), (what, answer.headers)


@of("clerk")
def test_clerk_the_policy_gives_way_where_its_own_pages_are_and_nowhere_else(
    running: Product, clerk: httpx.Client
) -> None:
    token = running.token("u1", "acme")

    def policy(path: str) -> dict[str, list[str]]:
        answer = page_with(clerk, path, token)
        assert answer.status_code == httpx.codes.OK, path
        text = answer.headers["content-security-policy"]
        return {
            name: sorted(values)
            for name, *values in (part.split() for part in text.split(";") if part.strip())
        }

    ours = policy("/app")
    assert ours["style-src"] == ["'self'"]
    assert ours["connect-src"] == ["'self'", f"https://{CLERK}"]
    assert "frame-src" not in ours or ours["frame-src"] == ["'none'"]
    for path in ("/sign-in", "/app/account"):
        theirs = policy(path)
        given = {name for name in theirs if theirs[name] != ours.get(name)} - {"script-src"}
        assert given <= {"style-src", "frame-src"}, path
        assert theirs["style-src"] == ["'self'", "'unsafe-inline'"]
        assert theirs["frame-src"] == ["https://challenges.cloudflare.com"]
        assert not {"'unsafe-inline'", "'unsafe-eval'"} & set(theirs["script-src"])
