"""The front end as it is delivered: its own tests, what Vercel makes of it, what Lighthouse says.

Public pages are the same for each provider, so that one combination stands for all.
"""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

import npm
from auditing import ATEMPORAL, ENOUGH, lighthouse
from browsing import pages_of
from driving import Product, free_port, until
from edge import edge
from pooling import program_running
from rendering import clean_environment, in_browsers, name_of
from workspace import Workspace

pytest_plugins = ["products"]

pytestmark = [
    pytest.mark.parametrize(
        "combination", in_browsers()[:1], ids=name_of, indirect=True, scope="session"
    ),
    pytest.mark.timeout(1800),
]

OF_THE_FRONT_END = "test_dev or test_sign_in or test_web"
POLICY = "content-security-policy"


class Healthy(BaseHTTPRequestHandler):
    """As much of an API as the status page asks."""

    def do_GET(self) -> None:
        body = json.dumps({"status": "alive", "checks": {"database": "ok"}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def healthy_api() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Healthy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with healthy_api() as url:
        yield url


@pytest.fixture(scope="module")
def owned(product: Product, workspace: Workspace) -> Iterator[Product]:
    """A repository whose front end its owner builds by themselves."""
    if product.is_running:
        product.stop()
    yield product
    workspace.forget("build")


def test_its_check_is_green_where_nothing_was_built_yet(owned: Product) -> None:
    shutil.rmtree(owned.repository / "frontend/.next", ignore_errors=True)
    owned.make("check")


def test_its_own_tests_of_the_front_end_are_green(owned: Product) -> None:
    owned.make("test", f"ARGS=-k '{OF_THE_FRONT_END}'")


def test_its_public_pages_hold_up_in_a_browser(owned: Product) -> None:
    owned.make("browser")


@pytest.fixture(scope="module")
def frontend(owned: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Built by Vercel's own command, as its machines do; the API is not there then."""
    vercel = npm.install("vercel", tmp_path_factory.mktemp("vercel"))
    frontend = owned.repository / "frontend"
    project = {"projectId": "prj_tested", "orgId": "team_tested", "settings": {}}
    settings = {"framework": None, "installCommand": "true", "nodeVersion": "22.x"}
    (frontend / ".vercel").mkdir()
    (frontend / ".vercel/project.json").write_text(json.dumps(project | {"settings": settings}))
    done = subprocess.run(
        [vercel / "node_modules/.bin/vercel", "build", "--prod", "--yes"],
        cwd=frontend,
        env=clean_environment(HOME=str(vercel), VERCEL_TELEMETRY_DISABLED="1"),
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    yield frontend
    shutil.rmtree(frontend / ".vercel")


@pytest.fixture(scope="module")
def output(frontend: Path) -> Path:
    return frontend / ".vercel/output"


@pytest.fixture(scope="module")
def pages(frontend: Path) -> list[str]:
    return pages_of((frontend / ".next/server/app/sitemap.xml.body").read_text())


def needed(document: str) -> set[str]:
    """What a policy must name for a document's scripts to run, from the document alone."""
    hashes = set()
    for attributes, code in re.findall(r"<script([^>]*)>(.*?)</script>", document, re.DOTALL):
        integrity = re.search(r' integrity="([^"]+)"', attributes)
        if "noModule" in attributes:
            continue
        assert integrity or "src=" not in attributes, attributes
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        hashes.add(integrity[1] if integrity else f"sha256-{digest}")
    return hashes


def named(policy: str) -> set[str]:
    return set(re.findall(r"'(sha256-[^']+)'", policy))


def prerendered(output: Path) -> dict[str, Any]:
    """What Vercel keeps of each document, by its address."""
    functions = output / "functions"
    kept = {}
    for file in functions.rglob("*.prerender-config.json"):
        name = str(file.relative_to(functions)).removesuffix(".prerender-config.json")
        if (functions / f"{name}.prerender-fallback.html").exists():
            kept["/" + name.removesuffix("index")] = json.loads(file.read_text())
    return kept


def test_vercel_keeps_every_page_with_the_policy_of_its_document(
    output: Path, pages: list[str]
) -> None:
    kept = prerendered(output)
    assert {*pages, "/_not-found", "/_global-error"} <= set(kept)
    for address, page in kept.items():
        name = address.removesuffix("/") or "/index"
        document = (output / f"functions{name}.prerender-fallback.html").read_text()
        policy = page["initialHeaders"][POLICY]
        assert named(policy) == needed(document), address
        assert "unsafe" not in policy
    assert kept["/status"]["expiration"] == 15
    assert {page["expiration"] for address, page in kept.items() if address != "/status"} == {False}


def test_every_answer_of_vercel_has_the_headers_that_do_not_depend_on_it(output: Path) -> None:
    routes = json.loads((output / "config.json").read_text())["routes"]
    before_files = routes[: routes.index({"handle": "filesystem"})]
    for path in ("/", "/app/contacts", "/_next/static/x.js"):
        headers = {
            name: value
            for route in before_files
            if "Strict-Transport-Security" in route.get("headers", {})
            and re.search(route["src"], path)
            for name, value in route["headers"].items()
        }
        assert headers["X-Frame-Options"] == "DENY", path
        assert headers["X-Content-Type-Options"] == "nosniff", path


@pytest.mark.parametrize("name", ["404.html", "500.html"])
def test_what_vercel_serves_as_a_file_says_its_policy_itself(output: Path, name: str) -> None:
    document = (output / "static" / name).read_text()
    found = re.search(rf'<head><meta http-equiv="{POLICY}" content="([^"]+)"/>', document)
    assert found, document[:300]
    assert named(found[1]) == needed(document)
    assert "default-src 'none'" in found[1]


def test_what_vercel_renders_anew_has_the_policy_of_its_document(
    frontend: Path, api: str, tmp_path: Path
) -> None:
    port = free_port()
    manifest = json.loads((frontend / ".next/prerender-manifest.json").read_text())
    asked = {
        "x-matched-path": "/status",
        "x-prerender-revalidate": manifest["preview"]["previewModeId"],
    }
    script = npm.HERE / "vercel/function.mjs"
    command: list[str | Path] = [
        "node",
        script,
        frontend,
        "status",
        tmp_path / "function",
        str(port),
    ]
    environment = clean_environment(NODE_ENV="production", VERCEL="1", API_URL=api)
    log = tmp_path / "log"
    with program_running(command, log, env=environment) as is_alive:
        until(lambda: is_alive() and "ready" in log.read_text(), "the function")
        answer = httpx.get(
            f"http://127.0.0.1:{port}/status", headers=asked, trust_env=False, timeout=60.0
        )
    assert answer.status_code == 200, log.read_text()
    assert answer.headers["cache-control"].startswith("s-maxage=15,")
    # The build asked an API that was not there.
    assert ">Everything works</h1>" in answer.text
    assert named(answer.headers[POLICY]) == needed(answer.text)
    before = (frontend / ".vercel/output/functions/status.prerender-fallback.html").read_text()
    assert needed(before) != needed(answer.text)


@pytest.fixture(scope="module")
def site(frontend: Path, api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same build as a container serves it, behind nginx."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = clean_environment(
        NODE_ENV="production", HOSTNAME="127.0.0.1", PORT=str(port), API_URL=api
    )
    folder = tmp_path_factory.mktemp("edge")
    # Vercel compresses by itself, so that its builds do not; a container's does.
    script = frontend / ".next/standalone/server.js"
    before = script.read_text()
    assert before.count('"compress":false') == 1
    script.write_text(before.replace('"compress":false', '"compress":true'))
    server: list[str | Path] = ["node", script]
    with ExitStack() as running:
        running.enter_context(program_running(server, folder / "next.out", env=environment))
        yield running.enter_context(edge(folder, frontend.parent, url, api)).url


def test_lighthouse_gives_every_page_95_in_what_depends_on_no_clock(
    site: str, pages: list[str], tmp_path: Path
) -> None:
    audits = lighthouse(site, pages, tmp_path / "lighthouse", ATEMPORAL)
    assert [audit["address"] for audit in audits] == [f"{site}{page}" for page in [*pages, "/"]]
    for audit in audits:
        assert set(audit["scores"]) == set(ATEMPORAL), audit
    assert not [audit for audit in audits if min(audit["scores"].values()) < ENOUGH]
