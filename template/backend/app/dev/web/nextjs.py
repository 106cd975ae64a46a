"""Next.js: with the tools of development, as production serves it (WEB=production, and WEB=built by
the last build), or for once not at all (WEB=none).
"""  # noqa: D205

from collections.abc import Mapping

from app.dev.environment import REPOSITORY, setting
from app.dev.processes import DevelopmentError
from app.dev.web import FrontEnd, address

SETTINGS: Mapping[str, str] = {"ALLOWED_ORIGINS": address()}
"""The WebSocket is opened by a page, through the front end's server."""

_FOLDER = REPOSITORY / "frontend"
_SERVER = ".next/standalone/server.js"
# Not 127.0.0.1, which Next turns into this name when a proxy rewrites a request, and then takes for
# another host.
_HOST = "localhost"
_WITH_NODE = ["sh", str(REPOSITORY / "scripts" / "node.sh")]


def front_end(api: str, sign_in: Mapping[str, str]) -> FrontEnd | None:
    """What serves the pages that ask this API; None if there shall be none.

    Args:
        api: The API's address.
        sign_in: Settings that let its server sign people in without an account; none where a
            provider of your own does.

    Raises:
        DevelopmentError: WEB_PORT or WEB has a value that means nothing.
    """
    port = _port()
    environment = {
        "API_URL": api,
        "APP_URL": address(),
        "NEXT_TELEMETRY_DISABLED": "1",
        # `next dev` forks: what it forked must not outlive it.
        "NODE_OPTIONS": f"--import={(_FOLDER / 'scripts' / 'end-with-parent.mjs').as_uri()}",
        **sign_in,
    }
    match setting("WEB", "development"):
        case "development":
            command = [
                *(*_WITH_NODE, "node", "node_modules/next/dist/bin/next", "dev"),
                *("--hostname", _HOST, "--port", str(port)),
            ]
            return FrontEnd(port, command, _FOLDER, environment)
        case "production" | "built" as how:
            if how == "built" and not (_FOLDER / _SERVER).exists():
                raise DevelopmentError("WEB=built finds no build yet: WEB=production makes one.")
            return FrontEnd(
                port,
                [*_WITH_NODE, "node", _SERVER],
                _FOLDER,
                {**environment, "PORT": str(port), "HOSTNAME": _HOST},
                build=[*_WITH_NODE, "npm", "run", "build"] if how == "production" else None,
            )
        case "none":
            return None
        case other:
            raise DevelopmentError(
                f"WEB must be development, production, built or none, not {other!r}."
            )


def _port() -> int:
    text = setting("WEB_PORT", "3000")
    if not text.isdigit() or not 0 < int(text) < 2**16:
        raise DevelopmentError(f"WEB_PORT must be a port from 1 to 65535, not {text!r}.")
    return int(text)
