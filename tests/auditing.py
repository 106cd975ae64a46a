"""What Lighthouse says of pages."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import npm
from browsing import FLAGS, chromium_path

ATEMPORAL = ("accessibility", "best-practices", "seo")
"""The categories that say the same on every machine."""

PERFORMANCE = "performance"
ENOUGH = 95


def lighthouse(
    site: str, pages: Iterable[str], folder: Path, categories: Iterable[str], *, times: int = 1
) -> list[dict[str, Any]]:
    """Audit each page on a simulated phone, and the first one on a desktop too.

    Args:
        site: Where the pages are served.
        pages: Their paths.
        folder: Where Lighthouse is installed to.
        categories: Those that are asked for.
        times: How often a page is audited that scores less than ENOUGH; its best counts.

    Returns:
        For each its `form` and `address`; its `scores` by category; and for each time `seen`, what
        cost points, and `index`, Lighthouse's own measure of how fast the machine was.
    """
    program = npm.install("lighthouse", folder)
    phone = [f"mobile={site}{page}" for page in pages]
    audits = npm.lines_of(
        program / "audit.mjs",
        *FLAGS,
        "--",
        *phone,
        phone[0].replace("mobile", "desktop", 1),
        CHROMIUM=chromium_path(),
        CATEGORIES=",".join(categories),
        ENOUGH=str(ENOUGH),
        TIMES=str(times),
    )
    return list(audits)
