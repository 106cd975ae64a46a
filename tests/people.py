"""CSV files of people, as large as wanted, and what becomes of each of their rows."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

HEADER = ["name", "email", "company", "amount"]
REJECTED_HEADER = ["line", "column", "reason", *HEADER, "extra"]

_FIRST_EMAIL = "person0@example.com"
_LONG_NAME = "x" * 201

# What may be wrong with a row: its fields, the column, the reason, and how it is shown to the user.
_FAULTS: list[tuple[list[str], str, str, list[str]]] = [
    (["", "{email}", "Navy", "1"], "name", "is missing", ["", "{email}", "Navy", "1", ""]),
    (
        ["Bob", "not-an-address", "Navy", "1"],
        "email",
        "not an email address",
        ["Bob", "not-an-address", "Navy", "1", ""],
    ),
    (["Bob", "", "Navy", "1"], "email", "is missing", ["Bob", "", "Navy", "1", ""]),
    (
        ["Bob", "{email}", "Navy", "12,50"],
        "amount",
        "is not a number like 1234.50, with at most two decimals",
        ["Bob", "{email}", "Navy", "12,50", ""],
    ),
    (
        ["Bob", "{email}", "Navy", "1", "and", "more"],
        "",
        "has 6 columns, not 4",
        ["Bob", "{email}", "Navy", "1", "and,more"],
    ),
    (["Bob", "{email}"], "", "has 2 columns, not 4", ["Bob", "{email}", "", "", ""]),
    (
        [_LONG_NAME, "{email}", "Navy", "1"],
        "name",
        "has 201 characters, at most 200 fit",
        [_LONG_NAME, "{email}", "Navy", "1", ""],
    ),
    (
        ["Bob", _FIRST_EMAIL, "Navy", "1"],
        "email",
        "belongs to another contact already",
        ["Bob", _FIRST_EMAIL, "Navy", "1", ""],
    ),
    # Shown so that no spreadsheet runs it.
    (
        ["=1+1", "", "Navy", "1"],
        "email",
        "is missing",
        ["'=1+1", "", "Navy", "1", ""],
    ),
]


class Contact(NamedTuple):
    """A contact that a row becomes, the amount as Postgres writes it."""

    name: str
    email: str
    company: str
    amount: str


class _Row(NamedTuple):
    fields: list[str]
    contact: Contact | None
    rejected: list[str] | None


@dataclass(frozen=True)
class People:
    """A file with `rows` rows behind its header, of which `bad` are bad, evenly spread."""

    rows: int
    bad: int

    def write(self, path: Path) -> Path:
        """Write the file, row by row."""
        with path.open("w", encoding="utf-8", newline="") as file:
            write = csv.writer(file, lineterminator="\n").writerow
            write(HEADER)
            for row in self._rows():
                write(row.fields)
        return path

    @property
    def good(self) -> int:
        """How many contacts there are afterwards."""
        return self.rows - self.bad

    def contacts(self) -> Iterator[Contact]:
        """The contacts that the file becomes."""
        return (row.contact for row in self._rows() if row.contact is not None)

    @cached_property
    def rejected_csv(self) -> str:
        """The rejected rows as the user downloads them."""
        text = io.StringIO()
        write = csv.writer(text, lineterminator="\r\n").writerow
        write(REJECTED_HEADER)
        line = 2
        for row in self._rows():
            if row.rejected is not None:
                write([str(line), *row.rejected])
            # A quoted field may go over several lines.
            line += 1 + sum(field.count("\n") for field in row.fields)
        return text.getvalue()

    def _rows(self) -> Iterator[_Row]:
        step = self.rows // self.bad if self.bad else self.rows + 1
        faults = 0
        for number in range(self.rows):
            is_bad = faults < self.bad and number % step == step - 1
            if is_bad:
                yield _bad_row(number, faults)
                faults += 1
            else:
                yield _good_row(number)


def _good_row(number: int) -> _Row:
    name = f"Person {number}"
    if number % 7 == 1:
        name = f'Zoë "{number}" O\'Neill, 株'
    elif number % 997 == 3:
        name = f"Person\n{number}"
    email = f"person{number}@example.com"
    company = "" if number % 5 == 0 else f"Company {number % 100}"
    amount = f"{number % 1000}.{number % 100:02}"
    return _Row([name, email, company, amount], Contact(name, email, company, amount), None)


def _bad_row(number: int, fault: int) -> _Row:
    fields, column, reason, shown = _FAULTS[fault % len(_FAULTS)]
    email = f"bad{number}@example.com"
    return _Row(
        [field.format(email=email) for field in fields],
        None,
        [column, reason, *(cell.format(email=email) for cell in shown)],
    )
