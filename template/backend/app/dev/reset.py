"""`python -m app.dev.reset`: delete the data of `make dev`; the next start begins anew."""

import shutil
import sys

from app.dev.environment import DEV_DIR
from app.dev.placement import delete_moved_data
from app.dev.state import AlreadyRunning, exclusive


def main() -> int:
    """Delete `.dev`, unless something uses it."""
    try:
        with exclusive(DEV_DIR):
            delete_moved_data(DEV_DIR / "postgres")
            shutil.rmtree(DEV_DIR)
    except AlreadyRunning:
        sys.stderr.write("error: `make dev` is running. Stop it first.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
