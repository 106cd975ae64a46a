"""The API's reference at /docs, in a page whose policy allows only files of this service.

Swagger UI and its stylesheet come from the `fastapi-offline` package: no content delivery network
sees who reads the page, and none can change what runs on it.
"""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.responses import Response

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

_PAGE = Path(__file__).with_name("docs_page")
_LIBRARY = Path(str(files("fastapi_offline"))) / "static"
_ASSETS = {
    "docs.css": _PAGE,
    "docs.js": _PAGE,
    "icon.svg": _PAGE,
    "swagger-ui.css": _LIBRARY,
    "swagger-ui-bundle.js": _LIBRARY,
}


def router() -> APIRouter:
    """GET /docs and the files it loads. The document itself is FastAPI's, at /openapi.json."""
    docs = APIRouter(include_in_schema=False)

    @docs.get("/docs")
    async def page() -> Response:
        return FileResponse(_PAGE / "docs.html", headers={"Content-Security-Policy": POLICY})

    for name, folder in _ASSETS.items():
        docs.get(f"/docs/{name}")(_file(folder / name))
    return docs


def _file(path: Path) -> Callable[[], Awaitable[Response]]:
    async def asset() -> Response:
        # The name stays the same when the content changes: keep it, but ask whether it did.
        return FileResponse(path, headers={"Cache-Control": "public, no-cache"})

    return asset
