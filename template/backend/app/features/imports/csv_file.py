"""A CSV file of contacts: is it one, and what does each of its rows say."""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import IO, NamedTuple

from app.features.contacts.rules import LONGEST_EMAIL, normalize_email
from app.inputs import refuse_control_characters

HEADER = ["name", "email", "company", "amount"]
LONGEST_FIELD = 10_000
"""Characters. A quote that is never closed ends here and not at the end of the file."""

_READ_BYTES = 1024 * 1024
# Lines that are matched at once: so few that the garbage collector sees no reason to begin.
_AT_ONCE = 250
# Lines that are good rows as they stand, as most are: one look at all of them instead of a dozen at
# each. It is for printable text, whose only white space is the blank. What it refuses is in the
# last group, and is looked at closely.
_GOOD_LINES = re.compile(
    rf"""
    ^(?:
        ([^ ,\n](?:[^,\n]{{0,198}}[^ ,\n])?) ,
        ((?=[^,\n]{{1,{LONGEST_EMAIL}}},) [\w.+-]{{1,64}}@[\w-]+(?:\.[\w-]+)+) ,
        ([^ ,\n](?:[^,\n]{{0,198}}[^ ,\n])?|) ,
        ([+-]?[0-9]{{1,12}}(?:\.[0-9]{{1,2}})?)
    |   (.+)
    )$
    """,
    re.ASCII | re.MULTILINE | re.VERBOSE,
)
_AMOUNT = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{1,2})?")
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}

csv.field_size_limit(LONGEST_FIELD)


class BadFile(ValueError):  # noqa: N818  # reads as what it is where it is raised
    """The file as a whole cannot be imported; the message says why and what to do."""


class Rejection(NamedTuple):
    """A row that cannot become a contact."""

    column: str | None
    reason: str


class Row(NamedTuple):
    """A row of the file: its number among the rows, the line it begins in, its fields as read."""

    number: int
    line: int
    fields: Sequence[str]
    contact: tuple[str, str, str, str] | None
    rejection: Rejection | None


class Contacts(NamedTuple):
    """Contacts as columns, in the order of HEADER, and the place of each among the rows read."""

    places: Sequence[int]
    columns: Sequence[Sequence[str]]


# The line that a record begins in, its fields, and what is wrong with its quotes. A printable line
# without quotes is left as it is.
_Record = tuple[int, str | list[str], Rejection | None]


class Batch(NamedTuple):
    """Rows that follow each other, as they were read, behind so many others of the file."""

    before: int
    records: Sequence[_Record]

    @property
    def last(self) -> int:
        """The number of the last row."""
        return self.before + len(self.records)

    def row(self, place: int) -> Row:
        """One of the rows, closely looked at."""
        line, record, rejection = self.records[place]
        fields = record.split(",") if isinstance(record, str) else record
        return _row(self.before + place + 1, line, fields, rejection)

    def examine(self) -> tuple[Contacts, list[Row]]:
        """The rows that are contacts, and the others, each with its rejection."""
        places: list[int] = []
        columns: list[list[str]] = [[] for _ in HEADER]
        rejected: list[Row] = []
        for first in range(0, len(self.records), _AT_ONCE):
            contacts, others = self._examine(first, self.records[first : first + _AT_ONCE])
            places += contacts.places
            for column, fields in zip(columns, contacts.columns, strict=True):
                column.extend(fields)
            rejected += others
        return Contacts(places, columns), rejected

    def _examine(self, first: int, records: Sequence[_Record]) -> tuple[Contacts, list[Row]]:
        lines = [record for _, record, _ in records if isinstance(record, str)]
        matches = _GOOD_LINES.findall("\n".join(lines))
        if len(matches) == len(records):
            name, email, company, amount, others = zip(*matches, strict=True)
            if not any(others):
                places = range(first, first + len(records))
                return Contacts(places, (name, list(map(str.lower, email)), company, amount)), []
        return self._examine_each(enumerate(records, first), iter(matches))

    def _examine_each(
        self, records: Iterator[tuple[int, _Record]], matches: Iterator[tuple[str, ...]]
    ) -> tuple[Contacts, list[Row]]:
        places: list[int] = []
        contacts: list[tuple[str, ...]] = []
        rejected: list[Row] = []
        for place, (_, record, _) in records:
            if isinstance(record, str):
                name, email, company, amount, other = next(matches)
                if not other:
                    places.append(place)
                    contacts.append((name, email.lower(), company, amount))
                    continue
            row = self.row(place)
            if row.contact:
                places.append(place)
                contacts.append(row.contact)
            else:
                rejected.append(row)
        columns = list(zip(*contacts, strict=True)) or [()] * len(HEADER)
        return Contacts(places, columns), rejected


def check_file(file: IO[bytes], on_read: Callable[[bytes], object]) -> None:
    """Read a whole file once, without keeping it, and refuse what is not a CSV of contacts.

    Args:
        file: Read from where it stands to its end.
        on_read: Is given every block of bytes, for example to hash them.

    Raises:
        BadFile: it is empty, not UTF-8, has another header or delimiter, or no row.
    """
    block = file.read(_READ_BYTES)
    on_read(block)
    if not block.strip():
        raise BadFile("The file is empty.")
    _refuse_utf_16(block)
    _check_header(block)
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    while block:
        _decode(decoder, block, lines)
        if len(block) == _READ_BYTES and b"\n" not in block and b"\r" not in block:
            raise BadFile(f"Line {lines} is longer than a mebibyte: this is no CSV of contacts.")
        lines += block.count(b"\n")
        block = file.read(_READ_BYTES)
        on_read(block)
    _decode(decoder, b"", lines, final=True)


def _refuse_utf_16(block: bytes) -> None:
    encoding = next(
        (name for mark, name in _BYTE_ORDER_MARKS.items() if block.startswith(mark)), None
    )
    sample = block[:1000]
    if encoding is None and sample.count(0) > len(sample) // 4:
        encoding = "UTF-16"
    if encoding:
        raise BadFile(f'The file is {encoding}, not UTF-8. Save it as "CSV UTF-8" and try again.')


def _decode(
    decoder: codecs.IncrementalDecoder, block: bytes, line: int, *, final: bool = False
) -> None:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError as error:
        # The decoder may have carried a few bytes over from the block before; none is a newline.
        line += error.object[: error.start].count(b"\n")
        raise BadFile(
            f"Line {line} is not UTF-8 (byte 0x{error.object[error.start]:02X}). The file may be "
            'Windows-1252 or Latin-1. Save it as "CSV UTF-8" and try again.'
        ) from error


def _check_header(block: bytes) -> None:
    text = block.decode("utf-8-sig", errors="replace")
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [field.strip().lower() for field in next(rows)]
    except (csv.Error, StopIteration):
        header = []
    if header == HEADER:
        _refuse_no_rows(text, block)
        return
    expected = ",".join(HEADER)
    first_line = text.lstrip().splitlines()[0] if text.strip() else ""
    for delimiter, name in _OTHER_DELIMITERS.items():
        if [field.strip(' "').lower() for field in first_line.split(delimiter)] == HEADER:
            raise BadFile(
                f"The columns are separated by {name}. Separate them by commas: {expected}"
            )
    shown = first_line if len(first_line) <= 100 else f"{first_line[:100]}…"  # noqa: PLR2004
    if "@" in first_line:
        raise BadFile(f'The file has no header. Its first line must be "{expected}", not: {shown}')
    raise BadFile(f'The header must be "{expected}", not: {shown}')


def _refuse_no_rows(text: str, block: bytes) -> None:
    _, _, rest = text.replace("\r", "\n").partition("\n")
    if len(block) < _READ_BYTES and not rest.strip():
        raise BadFile("The file has a header and no rows.")


def count_rows(file: IO[bytes]) -> int:
    """How many rows `read_batches` will find."""
    return sum(1 for _ in _records(file))


def read_batches(file: IO[bytes], size: int, *, after: int = 0) -> Iterator[Batch]:
    """The rows behind the header that are not blank, so many at a time.

    Args:
        file: A file that `check_file` has accepted, from its beginning.
        size: How many rows a batch has; the last has what is left.
        after: Rows to skip, because an earlier run has dealt with them.
    """
    records = islice(_records(file), after, None)
    while batch := tuple(islice(records, size)):
        yield Batch(after, batch)
        after += len(batch)


def _records(file: IO[bytes]) -> Iterator[_Record]:
    lines = _Lines(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
    reader = csv.reader(lines, strict=True)
    next(reader)
    for line in lines.first_of_rows():
        number = lines.number
        if '"' not in line and len(line) <= LONGEST_FIELD:
            if record := line.rstrip("\r\n"):
                # csv.reader would part it at its commas too, slowly.
                yield number, record if record.isprintable() else record.split(","), None
            continue
        lines.take_again(line)
        try:
            yield number, next(reader), None
        except csv.Error as error:
            rejection = Rejection(None, f"the quotes do not match: {error}")
            yield number, [lines.retreat()], rejection


class _Lines:
    """Lines for csv.reader that remembers the lines of the current row.

    A quote that is never closed swallows the lines behind it; `retreat` gives them back, so that
    one bad row costs one row.
    """

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self._row: list[str] = []
        self.number = 0

    def first_of_rows(self) -> Iterator[str]:
        """The line that comes next, as often as nobody else has taken it."""
        while line := self._again.popleft() if self._again else next(self._text, ""):
            self.number += 1
            yield line

    def take_again(self, line: str) -> None:
        """Begin a row with the line that came last."""
        self._row.clear()
        self._again.appendleft(line)
        self.number -= 1

    def retreat(self) -> str:
        """Give back all lines of the row but its first, and return that."""
        first, *rest = self._row
        self._again.extendleft(reversed(rest))
        self.number -= len(rest)
        return first.rstrip("\r\n")

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._text)
        self.number += 1
        self._row.append(line)
        return line


def _row(number: int, line: int, fields: list[str], rejection: Rejection | None) -> Row:
    if rejection is None and len(fields) != len(HEADER):
        rejection = Rejection(None, f"has {len(fields)} columns, not {len(HEADER)}")
    if rejection is not None:
        return Row(number, line, fields, None, rejection)
    name, email, company, amount = map(str.strip, fields)
    problem = (
        _text_problem("name", name, required=True)
        or _email_problem(email)
        or _text_problem("company", company, required=False)
        or _amount_problem(amount)
    )
    contact = None if problem else (name, email.lower(), company, amount)
    return Row(number, line, fields, contact, problem)


def _text_problem(column: str, value: str, *, required: bool) -> Rejection | None:
    if required and not value:
        return Rejection(column, "is missing")
    if len(value) > 200:  # noqa: PLR2004
        return Rejection(column, f"has {len(value)} characters, at most 200 fit")
    if value.isprintable():
        return None
    try:
        refuse_control_characters(value)
    except ValueError as error:
        return Rejection(column, str(error))
    return None


def _email_problem(value: str) -> Rejection | None:
    if not value:
        return Rejection("email", "is missing")
    try:
        normalize_email(value)
    except ValueError as error:
        return Rejection("email", str(error))
    return None


def _amount_problem(value: str) -> Rejection | None:
    if not value:
        return Rejection("amount", "is missing")
    if not _AMOUNT.fullmatch(value):
        return Rejection("amount", "is not a number like 1234.50, with at most two decimals")
    return None
