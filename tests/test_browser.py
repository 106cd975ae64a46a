"""The front end as people use it: in a browser, as production serves it, for each provider."""

import csv
import io
import itertools
import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

import npm
from alongside import api_of, front_end_of
from browsing import Tab, axe, chromium, drop, named, pages_of
from driving import Product, free_port, until
from edge import edge, ending_tls
from rendering import in_browsers, name_of

pytest_plugins = ["products"]

pytestmark = pytest.mark.parametrize(
    "combination", in_browsers(), ids=name_of, indirect=True, scope="session"
)

ROWS = 60_000
LARGE_ROWS = 150_000
MB = 1000 * 1000
MARKUP = "<img src=x onerror=alert(1)>"
PHONE: ViewportSize = {"width": 390, "height": 844}
SETTINGS = {"SEED": "1", "IMPORT_CHUNK_ROWS": "1500"}


@pytest.fixture(scope="session")
def running(product: Product) -> Product:
    return product.running(**SETTINGS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def tab(running: Product, browser: Browser) -> Iterator[Tab]:
    tab = Tab(browser, running.web_url)
    yield tab
    tab.close()
    assert not tab.wrong


def sign_in(tab: Tab, user: str = "u1") -> Page:
    """As one of the demo people."""
    page = tab.go("/app")
    page.get_by_role("button", name=named(user)).click()
    page.wait_for_url("**/app")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    return page


def sign_in_as_somebody_new(tab: Tab, user: str, email: str) -> Page:
    page = tab.go("/sign-in") if "/sign-in" not in tab.page.url else tab.page
    page.get_by_text("Somebody else").click()
    page.get_by_label("User", exact=True).fill(user)
    page.get_by_label("Confirmed email address").fill(email)
    page.get_by_role("button", name="Sign in", exact=True).click()
    return page


def screens(product: Product) -> list[str]:
    """The pages of the application that its answers lead to."""
    pages = ["", "contacts", "contacts/new", "imports", "audit", "api-keys", "profile"]
    if product.has_organizations:
        pages.append("members")
    if decides_itself(product):
        pages += ["invitations", "organization"]
    return [f"/app/{page}".rstrip("/") for page in pages]


def decides_itself(product: Product) -> bool:
    """Whether the product has organizations of its own, and invites people to them."""
    return product.has_organizations and product.answers["auth_provider"] != "clerk"


def contacts(rows: int) -> str:
    """A CSV whose columns are neither named nor ordered as the API has them; one row is bad."""
    lines = (f"{n}.5,person-{n}@example.com,Person {n},Initech" for n in range(rows))
    return "\n".join(["Value,E-mail,Full name,Company", *lines, "1,no-address,Nobody,Initech", ""])


def test_from_signing_in_to_signing_out(running: Product, tab: Tab, browser: Browser) -> None:
    if decides_itself(running):
        somebody = f"wangari-{secrets.token_hex(4)}"
        page = sign_in_as_somebody_new(tab, somebody, f"{somebody}@example.com")
        page.get_by_label("Its name").fill("Green Belt")
        page.get_by_role("button", name="Make it").click()
        expect(page.get_by_text("What happened lately in Green Belt.")).to_be_visible()
    else:
        page = sign_in(tab)

    page.get_by_role("link", name="Imports", exact=True).click()
    # What is dropped on a page that React has not taken over yet is the browser's to open.
    page.wait_for_load_state("networkidle")
    drop(page, "[data-testid=drop]", "people.csv", contacts(ROWS))
    expect(page.get_by_role("cell", name="person-0@example.com")).to_be_visible()
    page.get_by_role("button", name="Import these contacts").click()

    page.wait_for_url(re.compile(r"/app/imports/[0-9a-f-]{36}$"))
    until(lambda: 0 < share_done(page) < 1, "progress between the beginning and the end", 120)
    expect(page.get_by_text("Imported", exact=True)).to_be_visible(timeout=180_000)
    assert sum("import.progress" in frame for frame in tab.frames) > 1, tab.frames
    expect(page.get_by_role("cell", name="no-address", exact=False).first).to_be_visible()
    assert "no-address" in downloaded(page, "Download all")

    page.get_by_role("link", name="See the contacts").click()
    page.get_by_label("Search", exact=True).fill(f"person {ROWS - 1}")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("cell", name=f"person-{ROWS - 1}@example.com")).to_be_visible()
    expect(page.get_by_role("cell", name=f"{ROWS - 1:,}.50")).to_be_visible()

    page.get_by_role("link", name="Audit trail").click()
    page.get_by_label("In which table").fill("imports")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**/app/audit?*table=imports*")
    expect(page.get_by_role("cell", name="insert").first).to_be_visible()
    expect(page.get_by_role("cell", name="contacts", exact=True)).to_have_count(0)
    trail = {kind: downloaded(page, f"Export {kind}") for kind in ("JSON lines", "CSV")}
    events = [json.loads(line) for line in trail["JSON lines"].splitlines()]
    assert {event["table_name"] for event in events} == {"imports"}
    assert [row["id"] for row in csv.DictReader(io.StringIO(trail["CSV"]))] == [
        event["id"] for event in events
    ]
    page.get_by_label("In which table").fill("")
    page.get_by_label("Did what").fill("audit.exported")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**/app/audit?*action=audit.exported*")
    expect(page.get_by_role("cell", name="audit.exported")).to_have_count(2)

    if decides_itself(running):
        invite(running, page, browser, f"mate-{secrets.token_hex(4)}@example.com")
    sign_out(page)
    assert tab.go("/app").url.endswith("/sign-in")


def downloaded(page: Page, link: str) -> str:
    """What a link gives as a file."""
    with page.expect_download() as download:
        page.get_by_role("link", name=link).click()
    return download.value.path().read_text()


@pytest.mark.parametrize(
    "path", ["audit/export", "imports/00000000-0000-7000-8000-000000000000/rejected.csv"]
)
def test_a_download_without_a_session_fails(running: Product, path: str) -> None:
    """Sent to the sign-in page, the browser would save that as the file."""
    answer = httpx.get(f"{running.web_url}/app/{path}", trust_env=False)
    assert (answer.status_code, answer.content) == (401, b"")


def share_done(page: Page) -> float:
    """How far the progress bar is, from 0 to 1."""
    return float(page.evaluate("document.querySelector('main progress').position"))


def invite(product: Product, page: Page, browser: Browser, email: str) -> None:
    """Invite somebody, and let them come."""
    page.get_by_role("link", name="Invitations").click()
    page.get_by_label("Email address").fill(email)
    page.get_by_role("button", name="Invite", exact=True).click()
    expect(page.get_by_text(f"{email} was invited.")).to_be_visible()
    link = until(lambda: _link_to(product, email), "the mail with the link")

    guest = Tab(browser, product.web_url)
    guest.go(link)
    guest.page.get_by_role("link", name="Sign in").click()
    sign_in_as_somebody_new(guest, email.partition("@")[0], email)
    guest.page.get_by_role("button", name="Accept the invitation").click()
    expect(guest.page.get_by_text("What happened lately in Green Belt.")).to_be_visible()
    guest.go("/app/contacts")
    expect(guest.page.get_by_role("cell", name=f"person-{ROWS - 1}@example.com")).to_be_visible()
    # Their role is member: no page of the trail, and none in the navigation.
    expect(guest.page.get_by_role("link", name="Audit trail")).to_have_count(0)
    guest.go("/app/audit")
    expect(guest.page.get_by_text("Not for your role")).to_be_visible()
    assert not guest.wrong
    guest.close()


def _link_to(product: Product, email: str) -> str | None:
    mails = re.search(r"^  mails +(\S+)$", product.said(), re.MULTILINE)
    assert mails
    kept = httpx.get(f"{mails[1]}/messages", trust_env=False).json()["items"]
    for mail in kept:
        found = re.search(r"\S+/invitations/accept#token=\S+", mail["text"])
        if mail["to"] == email and found:
            return found[0]
    return None


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")


def test_a_large_file_passes_through_the_front_end(tab: Tab, tmp_path: Path) -> None:
    """Next would keep ten megabytes for its proxy and drop the rest: uploads do not come there."""
    file = tmp_path / "large.csv"
    name, company = "n" * 190, "c" * 190
    with file.open("w") as rows:
        rows.write("name,email,company,amount\n")
        for number in range(LARGE_ROWS):
            rows.write(f"{name},{secrets.token_hex(4)}{number}@example.com,{company},1.00\n")
    assert file.stat().st_size > 60 * MB
    page = sign_in(tab, "u2")
    page.goto("/app/imports")
    page.get_by_test_id("drop").locator("input").set_input_files(file)
    page.get_by_role("button", name="Import these contacts").click()
    page.wait_for_url(re.compile(r"/app/imports/[0-9a-f-]{36}$"), timeout=180_000)
    expect(page.get_by_text("Imported", exact=True)).to_be_visible(timeout=300_000)
    expect(page.get_by_text(f"{LARGE_ROWS:,}").first).to_be_visible()


def test_a_contact_is_added_changed_and_deleted(tab: Tab) -> None:
    page = sign_in(tab)
    page.goto("/app/contacts/new")
    page.get_by_label("Name", exact=True).fill(MARKUP)
    page.get_by_label("Email address").fill("markup@example.com")
    page.get_by_label("Amount").fill("a lot")
    page.get_by_role("button", name="Add the contact").click()
    # The API says what is wrong, and what was typed is still there.
    expect(page.get_by_label("Amount")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name", exact=True)).to_have_value(MARKUP)
    page.get_by_label("Amount").fill("12.5")
    page.get_by_role("button", name="Add the contact").click()

    page.get_by_role("link", name=MARKUP).click()
    page.get_by_label("Company").fill("Initech")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name=named(MARKUP))).to_contain_text("Initech")

    page.get_by_role("link", name=MARKUP).click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/app/contacts")
    expect(page.get_by_role("link", name=MARKUP)).to_have_count(0)


def test_markup_stays_text_wherever_people_can_write_it(running: Product, tab: Tab) -> None:
    """As an element it would ask for `x`, and its handler break the policy: the tab would tell."""
    somebody = f"mallory-{secrets.token_hex(4)}"
    if decides_itself(running):
        page = sign_in_as_somebody_new(tab, somebody, f"{somebody}@example.com")
        page.get_by_label("Its name").fill(MARKUP)
        page.get_by_role("button", name="Make it").click()
        expect(page.get_by_text(f"What happened lately in {MARKUP}.")).to_be_visible()
    else:
        page = sign_in(tab)

    page.goto("/app/imports")
    page.wait_for_load_state("networkidle")
    quoted = '"' + MARKUP + '"'
    rows = [
        "name,email,company,amount",
        f"{quoted},{somebody}@example.com,{quoted},1",
        f"{quoted},{quoted},{quoted},{quoted}",
    ]
    drop(page, "[data-testid=drop]", f"{MARKUP}.csv", "\n".join([*rows, ""]))
    expect(page.get_by_role("cell", name=MARKUP).first).to_be_visible()
    page.get_by_role("button", name="Import these contacts").click()
    page.wait_for_url(re.compile(r"/app/imports/[0-9a-f-]{36}$"))
    expect(page.get_by_text("Imported", exact=True)).to_be_visible(timeout=180_000)
    expect(page.get_by_role("cell", name=MARKUP).first).to_be_visible()

    page.goto("/app/api-keys")
    page.get_by_label("Name", exact=True).fill(MARKUP)
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_role("cell", name=MARKUP).first).to_be_visible()

    asked = quote(MARKUP, safe="")
    pages = {
        "/app": MARKUP,
        "/app/imports": f"{MARKUP}.csv",
        "/app/contacts": MARKUP,
        f"/app/contacts?q={asked}": MARKUP,
        "/app/audit?table=contacts": MARKUP,
        f"/app/audit?actor={asked}&action={asked}&table={asked}": "No record fits these filters.",
        f"/sign-in?error={asked}&to={asked}": "Sign in",
    }
    for path, shown in pages.items():
        page.goto(path)
        expect(page.get_by_text(shown).first).to_be_attached()
        assert page.locator("[onerror]").count() == 0, path


def test_a_key_is_shown_once_and_works_until_it_is_revoked(running: Product, tab: Tab) -> None:
    page = sign_in(tab)
    page.goto("/app/api-keys")
    name = f"Reports {secrets.token_hex(4)}"
    page.get_by_label("Name", exact=True).fill(name)
    # Whatever the form offers, the API gives.
    for scope in page.get_by_role("group", name="What it may do").get_by_role("checkbox").all():
        scope.check()
    page.get_by_role("button", name="Make a key").click()
    key = page.locator("code", has_text="ak_").inner_text()
    asked = {"Authorization": f"Bearer {key}"}
    api = f"{running.url}/api/v1/contacts"
    assert httpx.get(api, headers=asked, trust_env=False).status_code == 200

    page.reload()
    expect(page.get_by_role("row", name=named(name))).to_be_visible()
    assert key not in page.content()
    page.get_by_role("button", name=f"Revoke {name}").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("row", name=named(name))).to_contain_text("revoked")
    assert httpx.get(api, headers=asked, trust_env=False).status_code == 401


def test_pages_follow_each_other(tab: Tab) -> None:
    page = sign_in(tab, "u2")
    page.goto("/app/contacts")
    first = page.get_by_role("row").nth(1).inner_text()
    page.get_by_role("link", name="Next").click()
    page.wait_for_url("**/app/contacts?cursor=*")
    expect(page.get_by_role("link", name="Back to the first")).to_be_visible()
    assert page.get_by_role("row").nth(1).inner_text() != first


def test_no_script_can_read_the_session(running: Product, tab: Tab) -> None:
    page = sign_in(tab)
    assert (
        page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0
    )
    visible = page.evaluate("document.cookie")
    kept = {cookie["name"]: cookie for cookie in tab.context.cookies()}
    session = kept["development-session"]
    assert session["httpOnly"]
    assert session["sameSite"] == "Lax"
    assert session["value"] not in visible
    assert session["value"] not in page.content()
    # Nor can it have one without the secret, which is the server's.
    issuer = running.runtime()["urls"]["issuer"]
    origin = "/".join(issuer.split("/")[:3])
    answer = httpx.post(f"{origin}/development/token", json={"user": "u1"}, trust_env=False)
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["/app/realtime", "/app/imports/upload"])
def test_another_site_cannot_make_a_browser_act(running: Product, tab: Tab, path: str) -> None:
    sign_in(tab)
    session = {cookie["name"]: cookie["value"] for cookie in tab.context.cookies()}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
        answer = httpx.post(
            running.web_url + path, cookies=session, headers=headers, trust_env=False
        )
        assert answer.status_code == 403, headers


def test_a_session_that_is_no_longer_good_leads_to_the_sign_in_page_and_back(tab: Tab) -> None:
    sign_in(tab)
    tab.context.add_cookies(
        [{"name": "development-session", "value": "forged.token.here", "url": tab.url}]
    )
    page = tab.go("/app/contacts?q=ada+love")
    assert "/sign-in" in page.url
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_role("button", name=named("u1")).click()
    page.wait_for_url("**/app/contacts?q=ada+love")
    expect(page.get_by_label("Search", exact=True)).to_have_value("ada love")


def test_a_lost_network_is_said(tab: Tab) -> None:
    page = sign_in(tab)
    page.wait_for_load_state("networkidle")
    tab.context.set_offline(offline=True)
    expect(page.get_by_text("You are offline")).to_be_visible()
    tab.context.set_offline(offline=False)
    expect(page.get_by_text("You are offline")).to_have_count(0)


@pytest.fixture(scope="module")
def furnished(running: Product, browser: Browser) -> list[str]:
    """The pages of what u1 has: an import and a contact that take as much room as there is."""
    tab = Tab(browser, running.web_url)
    page = sign_in(tab)
    page.goto("/app/imports")
    page.wait_for_load_state("networkidle")
    rows = ["name,email,company,amount", f"{'r' * 150},{'r' * 150},,1"]
    drop(page, "[data-testid=drop]", f"{'f' * 200}.csv", "\n".join([*rows, ""]))
    page.get_by_role("button", name="Import these contacts").click()
    page.wait_for_url(re.compile(r"/app/imports/[0-9a-f-]{36}$"))
    expect(page.get_by_role("table", name="Rejected rows")).to_be_visible()
    imported = page.url

    page.goto("/app/api-keys")
    page.get_by_label("Name", exact=True).fill("K" * 100)
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_role("row", name=named("K" * 100))).to_be_visible()

    page.goto("/app/contacts/new")
    domain = ".".join(["d" * 60] * 3)
    page.get_by_label("Name", exact=True).fill("W" * 200)
    page.get_by_label("Email address").fill(f"{secrets.token_hex(30)}@{domain}.com")
    page.get_by_label("Company").fill("C" * 200)
    page.get_by_label("Amount").fill("9999999999.99")
    page.get_by_role("button", name="Add the contact").click()
    page.get_by_role("link", name="W" * 200).first.click()
    page.wait_for_url(re.compile(r"/app/contacts/[0-9a-f-]{36}$"))
    made = [imported, page.url]
    tab.close()
    assert not tab.wrong
    return made


def everywhere(product: Product, tab: Tab, furnished: list[str]) -> Iterator[Page]:
    """Every kind of page, as it is for a stranger, for somebody new, for a member, and for u1."""
    invitation = ["/invitations/accept#token=any"] if decides_itself(product) else []
    yield from shown(tab, "/sign-in", "/sign-in?error=expired", *invitation)
    if decides_itself(product):
        somebody = f"new-{secrets.token_hex(4)}"
        page = sign_in_as_somebody_new(tab, somebody, f"{somebody}@example.com")
        page.wait_for_url("**/app/welcome")
        yield from shown(tab, "/app/profile", *invitation, "/invitations/accept", "/app/welcome")
        sign_out(page)
    if product.has_organizations:
        page = sign_in(tab, "grace")
        yield from shown(tab, "/app/audit")
        sign_out(page)
    sign_in(tab)
    yield from shown(tab, *screens(product), *furnished)
    assert not tab.wrong
    # A page that is not found, and one that fails, because nobody gave this cursor out.
    yield from shown(tab, "/app/nowhere", "/app/contacts?cursor=nobody-gave-it-out")
    tab.wrong.clear()


def shown(tab: Tab, *paths: str) -> Iterator[Page]:
    for path in paths:
        tab.go(path)
        expect(tab.page.locator("h1")).to_be_visible()
        yield tab.page


def test_a_page_that_failed_can_be_asked_for_again(running: Product, browser: Browser) -> None:
    """Inside what surrounds it, and as a whole; and what was typed meanwhile is still there."""
    port = free_port()
    here = f"http://127.0.0.1:{port}"
    development = {
        name: value
        for name, value in running.environment("web").items()
        if name.startswith("DEV_SIGN_IN_")
    }
    with front_end_of(running, here, free_port(), **development) as url:
        tab = Tab(browser, url)
        failed = tab.page.get_by_role("heading", name="This page could not be shown")
        with api_of(running, port):
            page = sign_in(tab)
            page.goto("/app/contacts/new")
            page.get_by_label("Name", exact=True).fill("Ada Lovelace")
            page.get_by_label("Email address").fill(f"{secrets.token_hex(4)}@example.com")
            page.wait_for_load_state("networkidle")
        page.get_by_role("button", name="Add the contact").click()
        expect(page.get_by_text("The server cannot be reached.")).to_be_visible()
        expect(page.get_by_label("Name", exact=True)).to_have_value("Ada Lovelace")
        page.get_by_role("link", name="Contacts", exact=True).click()
        expect(failed).to_be_visible()
        with api_of(running, port):
            page.get_by_role("button", name="Try again").click()
            expect(page.get_by_role("heading", name="Contacts", exact=True)).to_be_visible()
            page.wait_for_load_state("networkidle")
        page.reload()
        expect(page.get_by_role("heading", name="Something went wrong")).to_be_visible()
        with api_of(running, port):
            page.get_by_role("button", name="Try again").click()
            expect(page.get_by_role("heading", name="Contacts", exact=True)).to_be_visible()
            page.wait_for_load_state("networkidle")
        tab.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible(
    running: Product, tab: Tab, furnished: list[str], theme: str
) -> None:
    source = running.repository / "frontend/node_modules/axe-core/axe.min.js"
    tab.context.add_cookies([{"name": "theme", "value": theme, "url": tab.url}])
    tab.page.set_viewport_size(PHONE if theme == "dark" else {"width": 1280, "height": 800})
    found: list[str] = []
    for page in everywhere(running, tab, furnished):
        assert page.locator("html").get_attribute("data-theme") == theme
        found += axe(page, source)
    assert not found, "\n".join(found)


def test_no_page_is_wider_than_a_phone(running: Product, tab: Tab, furnished: list[str]) -> None:
    tab.page.set_viewport_size(PHONE)
    sitemap = httpx.get(f"{running.web_url}/sitemap.xml", trust_env=False).text
    public = shown(tab, *pages_of(sitemap))
    wide = [
        f"{page.url}: {width}"
        for page in itertools.chain(everywhere(running, tab, furnished), public)
        if (width := page.evaluate("document.scrollingElement.scrollWidth")) > PHONE["width"]
    ]
    assert not wide, "\n".join(wide)


def test_every_page_has_a_policy_that_lets_nothing_else_run(running: Product, tab: Tab) -> None:
    page = sign_in(tab)
    nonces = set()
    for path in screens(running):
        answer = page.goto(path)
        assert answer
        policy = answer.headers["content-security-policy"]
        nonces |= set(re.findall(r"'nonce-([^']+)'", policy))
        assert "'unsafe-inline'" not in policy
        assert "'unsafe-eval'" not in policy
        assert "frame-ancestors 'none'" in policy
    assert len(nonces) == len(screens(running))


def test_the_observatory_gives_every_page_its_best_grade(
    running: Product, tab: Tab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On the headers as they are delivered: over TLS, from the edge, also to who is signed in."""
    observatory = npm.install("observatory", tmp_path_factory.mktemp("observatory"))
    sign_in(tab)
    session = "; ".join(f"{kept['name']}={kept['value']}" for kept in tab.context.cookies())
    sitemap = httpx.get(f"{running.web_url}/sitemap.xml", trust_env=False).text
    public = [*pages_of(sitemap), "/sign-in"]
    folders = [tmp_path_factory.mktemp(name) for name in ("edge", "signed-in", "anonymous")]
    with (
        edge(folders[0], running.repository, running.web_url, running.url) as site,
        ending_tls(folders[1], site.url, session) as signed_in,
        ending_tls(folders[2], site.url) as anonymous,
    ):
        for address, pages in ((signed_in, screens(running)), (anonymous, public)):
            host = address.url.removeprefix("https://")
            trusted = {"NODE_EXTRA_CA_CERTS": str(address.certificate)}
            asked = [host + page for page in pages]
            grades = list(npm.lines_of(observatory / "grade.mjs", *asked, **trusted))
            best = {"grade": "A+", "status": 200, "failed": [], "findings": []}
            assert grades == [{"address": page, **best} for page in asked]


PICTURES = ("landing", "contacts", "import", "audit", "overview-dark", "contacts-phone")
LARGEST_PICTURE = 150_000


def test_its_pictures_can_be_taken(running: Product, browser: Browser, tmp_path: Path) -> None:
    """Those that the README and the documentation show: `make pictures` keeps them."""
    folder = Path(os.environ.get("PICTURES") or tmp_path)
    tab = Tab(browser, running.web_url, scale=1.5)
    tab.page.set_viewport_size({"width": 1280, "height": 800})
    tab.go("/").wait_for_load_state("networkidle")
    tab.picture(folder / "landing.webp")

    page = sign_in(tab)
    tab.go("/app/contacts")
    tab.picture(folder / "contacts.webp")
    change_a_contact(page)

    tab.go("/app/imports").wait_for_load_state("networkidle")
    drop(page, "[data-testid=drop]", "customers.csv", customers(ROWS))
    page.get_by_role("button", name="Import these contacts").click()
    page.wait_for_url(re.compile(r"/app/imports/[0-9a-f-]{36}$"))
    until(lambda: 0.4 < share_done(page) < 0.9, "an import that is half done", 120)
    tab.picture(folder / "import.webp")
    expect(page.get_by_text("Imported", exact=True)).to_be_visible(timeout=180_000)

    tab.go("/app/audit?table=contacts&action=update")
    page.locator("main details").first.locator("summary").click()
    tab.picture(folder / "audit.webp")

    tab.context.add_cookies([{"name": "theme", "value": "dark", "url": tab.url}])
    tab.go("/app").wait_for_load_state("networkidle")
    tab.picture(folder / "overview-dark.webp")
    tab.context.clear_cookies(name="theme")
    tab.go("/app/contacts")
    tab.picture(folder / "contacts-phone.webp", width=390, height=844)
    tab.close()
    assert not tab.wrong
    for name in PICTURES:
        assert 2_000 < (folder / f"{name}.webp").stat().st_size < LARGEST_PICTURE, name


def change_a_contact(page: Page) -> None:
    page.locator("main tbody a").first.click()
    page.get_by_label("Company").fill("Analytical Engines")
    page.get_by_label("Amount").fill("1815.12")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/app/contacts")


def customers(rows: int) -> str:
    """A CSV that looks as if somebody had it; one row in a thousand has no amount that is one."""
    first = ("Aisha", "Bruno", "Chiara", "Dmitri", "Elif", "Fatou", "Goran", "Hana", "Ines", "Jun")
    last = ("Almeida", "Bakker", "Costa", "Diallo", "Eriksen", "Fischer", "Garcia", "Haddad")
    companies = ("Northwind", "Contoso", "Fabrikam", "Tailspin Toys", "Wingtip", "Litware")
    people = itertools.cycle(itertools.product(last, first))
    lines = ["name,email,company,amount"]
    for row, (surname, name), company in zip(
        range(rows), people, itertools.cycle(companies), strict=False
    ):
        amount = "n/a" if row % 1000 == 999 else f"{row % 4800 + 12}.50"
        email = f"{name}.{surname}.{row}@{company.replace(' ', '-')}.example".lower()
        lines.append(f"{name} {surname},{email},{company},{amount}")
    return "\n".join([*lines, ""])
