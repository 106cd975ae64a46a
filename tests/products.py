"""The products that the tests drive: one per combination, rendered, set up and started once."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from driving import Product
from rendering import Answers, questions, render


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drive a product that stands for a provider by the tests marked `sign_in` alone.

    What else it does, the defaults do too, and a test here costs seconds.
    """
    default = questions()["auth_provider"]["default"]

    def is_beside_the_point(item: pytest.Item) -> bool:
        if not isinstance(item, pytest.Function) or "product" not in item.fixturenames:
            return False
        combination = cast("Answers", item.callspec.params["combination"])
        is_default = combination["auth_provider"] == default
        return not is_default and item.get_closest_marker("sign_in") is None

    config.hook.pytest_deselected(items=[item for item in items if is_beside_the_point(item)])
    items[:] = [item for item in items if not is_beside_the_point(item)]


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
