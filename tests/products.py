"""The products that the tests drive: one per combination, rendered, set up and started once."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from driving import Product
from rendering import Answers
from workspace import Workspace


@pytest.fixture(scope="session")
def workspace() -> Iterator[Workspace]:
    """Where one combination after another is set up."""
    with tempfile.TemporaryDirectory(prefix="copier-saas-") as folder:
        # Root's servers run as another user, who has to reach their files.
        Path(folder).chmod(0o755)
        yield Workspace(Path(folder, "acme"))


@pytest.fixture(scope="session")
def product(rendered: Path, combination: Answers, workspace: Workspace) -> Iterator[Product]:
    """A combination, set up. `product.running()` starts it, or goes on with what runs.

    Its front end is built then, once for all combinations that have the same one.
    """
    workspace.hold(rendered)
    product = Product(workspace.repository, combination, workspace)
    product.make("setup")
    try:
        yield product
    finally:
        product.abandon()
