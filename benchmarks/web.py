"""Public pages: their first byte, their JavaScript, and what Lighthouse says of them."""

import gzip
import re
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from product import Product
from report import Report

from auditing import ATEMPORAL, ENOUGH, PERFORMANCE, lighthouse
from browsing import pages_of
from edge import edge

PAGES = ("/", "/pricing", "/blog", "/docs")
REQUESTS = 400
AUDITS = 5


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


def audit(product: Product, report: Report) -> None:
    """All public pages of the same build from nginx, on Lighthouse's phone; one on a desktop."""
    product.start_fresh("production")
    pages = str(product.runtime()["urls"]["web"])
    categories = (PERFORMANCE, *ATEMPORAL)
    with _edge(product, pages) as site, TemporaryDirectory(prefix="copier-saas-") as folder:
        named = pages_of(httpx.get(f"{pages}/sitemap.xml", trust_env=False).text)
        audits = lighthouse(site or pages, named, Path(folder), categories, times=AUDITS)
    product.stop()
    report.table(
        "Lighthouse",
        ("", *categories, "tries", "machine's index"),
        [
            (
                f"{page}, {audit['form']}",
                *(str(audit["scores"][category]) for category in categories),
                str(len(audit["seen"])),
                f"{statistics.median(audit['index']):.0f}",
            )
            for page, audit in zip((*named, named[0]), audits, strict=True)
        ],
        "The machine's own work only ever takes from the performance: a page that has less than"
        f" {ENOUGH} is audited again, {AUDITS} times at most, and its best counts. On a machine"
        " whose index is below Lighthouse's 1750 the processor is slowed down by less than 4.",
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
    with (
        TemporaryDirectory(prefix="copier-saas-") as folder,
        edge(Path(folder), product.repository, pages, product.api) as running,
    ):
        yield running.url
