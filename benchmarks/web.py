"""Public pages: how soon the first byte comes, and how much JavaScript a first visit loads."""

import gzip
import os
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from product import Product, free_port
from report import Report

PAGES = ("/", "/pricing", "/blog", "/docs")
REQUESTS = 400
_STARTING_SECONDS = 10.0


def measure(product: Product, report: Report) -> None:
    """Of the build that production serves: by Next alone, and behind nginx with its cache."""
    product.start_fresh("production")
    pages = str(product.runtime()["urls"]["web"])
    rows = []
    with _edge(product, pages) as edge:
        for page in PAGES:
            by_next = _first_byte(pages + page)
            by_nginx = _first_byte(edge + page) if edge else None
            files, size = _scripts(pages, page)
            rows.append(
                (
                    page,
                    f"{by_next:.2f}",
                    f"{by_nginx:.2f}" if by_nginx else "-",
                    f"{by_next / by_nginx:.1f}x" if by_nginx else "-",
                    str(files),
                    f"{size / 1000:.0f}",
                )
            )
    product.stop()
    report.table(
        "Public pages",
        ("", "Next, ms", "nginx, ms", "ratio", "scripts", "kB, gzipped"),
        rows,
        f"Milliseconds to the first byte over a kept connection, the median of {REQUESTS} requests"
        " after the page is in the cache. Scripts: what the document names, for a browser that"
        " knows modules.",
        *([] if shutil.which("nginx") else ["nginx is not installed here."]),
    )


def _first_byte(url: str) -> float:
    """Milliseconds until the body begins."""
    taken = []
    with httpx.Client(trust_env=False, timeout=60.0) as client:
        client.get(url).raise_for_status()
        for _ in range(REQUESTS):
            began = time.perf_counter()
            with client.stream("GET", url) as response:
                body = response.iter_raw()
                next(body)
                taken.append(time.perf_counter() - began)
                for _ in body:
                    pass
    return statistics.median(taken) * 1000


def _scripts(origin: str, page: str) -> tuple[int, int]:
    """How many script files a page names, and how many bytes they are, compressed."""
    with httpx.Client(base_url=origin, trust_env=False, timeout=60.0) as client:
        document = client.get(page).raise_for_status().text
        tags = [
            tag for tag in re.findall(r"<script[^>]*>", document) if "nomodule" not in tag.lower()
        ]
        sources = {found[1] for tag in tags if (found := re.search(r'src="([^"]+)"', tag))}
        sizes = [len(gzip.compress(client.get(source).content)) for source in sources]
    return len(sizes), sum(sizes)


@contextmanager
def _edge(product: Product, pages: str) -> Iterator[str | None]:
    """The address of nginx, with the configuration that is deployed; None where nginx is not."""
    if shutil.which("nginx") is None:
        yield None
        return
    folder = product.repository.parent / "edge"
    folder.mkdir()
    address = f"127.0.0.1:{free_port()}"
    (folder / "nginx.conf").write_text(_configuration(product, folder, address, pages))
    command = ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    nginx = subprocess.Popen(command)
    try:
        _wait(f"http://{address}/robots.txt", nginx, folder / "error.log")
        yield f"http://{address}"
    finally:
        nginx.terminate()
        nginx.wait()


def _configuration(product: Product, folder: Path, address: str, pages: str) -> str:
    values = {
        "PORT": address,
        "FRONTEND": urlsplit(pages).netloc,
        "API": urlsplit(product.api).netloc,
        "CACHE": str(folder / "cache"),
        "RELEASE": "bench",
    }
    site = (product.repository / "deploy/nginx/site.conf.template").read_text()
    for name, value in values.items():
        site = site.replace(f"${{{name}}}", value)
    site = site.replace("access_log /dev/stdout paths", "access_log off")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
    # As root, nginx would give its workers to a user who cannot write here.
    user = "user root;" if os.geteuid() == 0 else ""
    return f"daemon off; {user} pid {folder / 'pid'}; events {{}} http {{ {temporary} {site} }}"


def _wait(url: str, nginx: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < deadline and nginx.poll() is None:
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nginx did not start:\n{log.read_text()}")
