"""The worker's memory does not grow with the file."""

from pathlib import Path

import pytest

from driving import Product, memory_peak
from people import People
from rendering import covering, name_of

pytest_plugins = ["products"]

# No answer changes the way that a row takes.
pytestmark = pytest.mark.parametrize(
    "combination", covering()[:1], ids=name_of, indirect=True, scope="session"
)

MB = 1000 * 1000


def test_a_million_rows_take_no_more_than_a_hundred_thousand(
    product: Product, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A worker that has done nothing yet, so that its peak is that of these imports.
    if product.is_running:
        product.stop()
    product.start()
    worker = product.pid("worker")

    def peak_after(people: People) -> int:
        client = product.sign_in()
        import_id = client.start_import(people.write(tmp_path / "people.csv"))
        ended = client.import_ended(import_id, 600.0)
        assert ended["status"] == "succeeded", ended
        assert ended["rows_rejected"] == people.bad
        assert product.sql(
            f"select count(*) from contacts where {product.tenant_column} = %s",  # noqa: S608
            client.tenant_id,
        ) == [(people.good,)]
        assert product.pid("worker") == worker
        return memory_peak(worker)

    small = peak_after(People(rows=100_000, bad=1_000))
    large = peak_after(People(rows=1_000_000, bad=10_000))
    with capsys.disabled():
        print(
            f"\nworker: {small / MB:.0f} MB after 100,000 rows, {large / MB:.0f} MB after 1,000,000"
        )
    assert large - small < 20 * MB
    assert large < 120 * MB
