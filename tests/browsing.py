"""A browser that notices what its user would not: errors, refused scripts, strange requests."""

import base64
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Response, Route, expect, sync_playwright

FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # As root, where the tests of CI run, Chromium has no sandbox of its own.
    "--no-sandbox",
)

PAGE_SECONDS = 60.0
# What is expected of a page may take as long as the page: by itself it waits for five seconds.
expect.set_options(timeout=PAGE_SECONDS * 1000)


def chromium_path() -> str:
    """This machine's Chromium."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "install chromium: the front end is tested in it"
    return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """It, headless."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """A page of its own cookies, and everything that went wrong in it.

    Args:
        browser: Whose tab.
        url: The product's.
        theirs: The only other address that may be asked: the sign-in provider's,
            whose pages are not ours to judge.
        scale: How many of a picture's dots make one of the page's.
    """

    def __init__(
        self, browser: Browser, url: str, theirs: str | None = None, *, scale: float = 1
    ) -> None:
        self.url = url
        self.theirs = theirs
        self.wrong: list[str] = []
        self.frames: list[str] = []
        self.context = browser.new_context(
            base_url=url, color_scheme="light", device_scale_factor=scale
        )
        self.context.set_default_timeout(PAGE_SECONDS * 1000)
        if theirs:
            # Their page may ask for fonts from anywhere.
            self.context.route(lambda to: not to.startswith((url, theirs)), _refuse)
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))
        self.page.on("response", self._look_at)
        self.page.on(
            "websocket",
            lambda socket: socket.on("framereceived", lambda frame: self.frames.append(str(frame))),
        )

    def _note(self, kind: str, text: str) -> None:
        # Chromium's own words for an answer that `_look_at` sees with its address.
        if self.theirs and self.page.url.startswith(self.theirs):
            return
        if kind in {"error", "warning"} and not text.startswith("Failed to load resource"):
            self.wrong.append(f"{urlsplit(self.page.url).path}: {text}")

    def _look_at(self, response: Response) -> None:
        if self.theirs and response.url.startswith(self.theirs):
            return
        if not response.url.startswith((self.url, "data:", "blob:")):
            self.wrong.append(f"a request to {response.url}")
        elif response.status >= 400:
            self.wrong.append(f"{response.status} for {response.url}")

    def go(self, path: str) -> Page:
        """Type an address."""
        self.page.goto(path, wait_until="load")
        return self.page

    def picture(self, file: Path, *, width: int = 1280, height: int = 800) -> None:
        """Write what is seen to a file, small enough to lie in a repository."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.wait_for_function("document.fonts.status === 'loaded'")
        session = self.context.new_cdp_session(self.page)
        taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": 80})
        file.write_bytes(base64.b64decode(taken["data"]))

    def close(self) -> None:
        self.context.close()


def _refuse(route: Route) -> None:
    route.abort()


def pages_of(sitemap: str) -> list[str]:
    """The paths of the pages that a sitemap names: all public ones."""
    pages = [urlsplit(address).path for address in re.findall(r"<loc>([^<]+)</loc>", sitemap)]
    assert {"/", "/legal/terms", "/status"} <= set(pages)
    return pages


_TRANSITIONS_END = """() => Promise.allSettled(
    document.getAnimations()
        .filter((each) => each instanceof CSSTransition)
        .map(({ finished }) => finished)
)"""


def axe(page: Page, source: Path) -> list[str]:
    """What axe finds in the page as it is: rule, and the element that breaks it."""
    page.evaluate(source.read_text())
    # Colours on their way from one to another have a contrast of their own.
    page.evaluate(_TRANSITIONS_END)
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{urlsplit(page.url).path} {violation['id']}: {node['html'][:200]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def drop(page: Page, selector: str, name: str, text: str) -> None:
    """Drag a file over an element and let go, as a browser tells it to the page."""
    transfer = page.evaluate_handle(
        """([name, text]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([text], name, { type: "text/csv" }));
            return transfer;
        }""",
        [name, text],
    )
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event(selector, event, {"dataTransfer": transfer})


def named(begin: str) -> re.Pattern[str]:
    """An accessible name that begins like this."""
    return re.compile(f"^{re.escape(begin)}")
