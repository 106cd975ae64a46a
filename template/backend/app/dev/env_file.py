"""Write `.env`: the settings of this machine, with secrets made here and nowhere else.

Run by `make setup` and after the repository is generated, with whatever Python is there
(3.8 or newer, nothing installed). A value that is set is never changed; a setting that a newer
version brought is added. Only the owner may read the file, and git ignores it.
"""

import argparse
import os
import re
import secrets
import sys
import tempfile
from pathlib import Path

HEADER = """\
# The settings of this machine. Never commit this file; .env.example explains every setting.
"""
PRIVATE = 0o600


# Name, value (none: a secret is made), why it is here.
SETTINGS = (
    ("ENVIRONMENT", "development", "development allows the development token issuer"),
    ("ALLOWED_HOSTS", "localhost,127.0.0.1", "Host headers that are answered"),
    ("APP_API_PASSWORD", None, "of the API's database login, set by `make migrate`"),
    ("APP_WORKER_PASSWORD", None, "of the worker's database login, set by `make migrate`"),
    ("DEV_DATABASE_PASSWORD", None, "of the embedded Postgres' postgres and migrator logins"),
    ("DEV_QUEUE_PASSWORD", None, "of the queue's embedded server, where it has one"),
)


def complete(path: Path) -> str:
    """Create the file or add what it lacks, and say in one line what was done.

    Args:
        path: The `.env` file. A symbolic link is followed.

    Raises:
        OSError: The file cannot be read or written.
    """
    path = Path(os.path.realpath(str(path)))
    exists = path.exists()
    text = path.read_text(encoding="utf-8") if exists else HEADER
    present = set(re.findall(r"^\s*(?:export\s+)?(\w+)\s*=", text, re.MULTILINE))
    missing = [setting for setting in SETTINGS if setting[0] not in present]
    if not missing:
        if path.stat().st_mode & 0o777 != PRIVATE:
            path.chmod(PRIVATE)
            return "complete; now readable by its owner only"
        return "complete, nothing changed"
    if text and not text.endswith("\n"):
        text += "\n"
    for name, value, reason in missing:
        text += f"\n# {reason}\n{name}={value or secrets.token_urlsafe(32)}\n"
    _replace(path, text)
    if not exists:
        return "written, with new secrets"
    return f"added {', '.join(name for name, _, _ in missing)}"


def _replace(path: Path, text: str) -> None:
    """Write all or nothing; the file is private from its first byte (mkstemp makes it 0600)."""
    descriptor, temporary = tempfile.mkstemp(dir=str(path.parent), prefix=".env.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


def main() -> int:
    """Complete the `.env` of this repository, or of the one named by `--repository FOLDER`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", type=Path, default=Path(__file__).resolve().parents[3])
    path = parser.parse_args().repository / ".env"
    try:
        print(f".env: {complete(path)}")  # noqa: T201  # a command's one line of output
    except OSError as error:
        print(f"cannot write {path}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
