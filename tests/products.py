"""The products that the tests drive: one per combination, rendered, set up and started once."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from driving import Product
from rendering import Answers, render


@pytest.fixture(scope="session")
def product(source: Path, combination: Answers) -> Iterator[Product]:
    """A combination, set up. `product.running()` starts it, or goes on with what runs."""
    with tempfile.TemporaryDirectory(prefix="copier-saas-") as scratch:
        # Root's servers run as another user, who has to reach their files.
        Path(scratch).chmod(0o755)
        product = Product(render(source, Path(scratch, "acme"), combination), combination)
        product.make("setup")
        try:
            yield product
        finally:
            product.abandon()
            shutil.rmtree(product.repository, ignore_errors=True)
