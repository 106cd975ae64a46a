"""Every combination is a repository as a person would keep it: green, and with nothing unused."""

import os
from pathlib import Path

import pytest

from driving import Product
from rendering import SELECTION, matrix, name_of
from unused import unused_modules, unused_packages

pytest_plugins = ["products"]

pytestmark = pytest.mark.parametrize(
    "combination", matrix(), ids=name_of, indirect=True, scope="session"
)


def test_its_check_is_green(product: Product) -> None:
    product.make("check")


def test_every_module_is_used(rendered: Path) -> None:
    assert not unused_modules(rendered)


def test_every_dependency_is_used(product: Product) -> None:
    assert not unused_packages(product.repository)


@pytest.mark.skipif(SELECTION not in os.environ, reason=f"{SELECTION} selects no combination")
@pytest.mark.timeout(3600)
def test_its_own_tests_are_green(product: Product) -> None:
    if product.is_running:
        product.stop()
    product.make("test")
