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
# A line that is a good row as it stands, as most are: one look at it instead of a dozen. It matches
# printable text, whose only white space is the blank; whatever it refuses is looked at closely.
_GOOD_LINE = re.compile(
    r"([^ ,](?:[^,]{0,198}[^ ,])?),"
    r"([\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+),"
    r"([^ ,](?:[^,]{0,198}[^ ,])?|),"
    r"([+-]?[0-9]{1,12}(?:\.[0-9]{1,2})?)",
    re.ASCII,
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
    """How many rows `read_rows` will find."""
    return sum(1 for _ in _records(file))


def read_rows(file: IO[bytes], *, after: int = 0) -> Iterator[Row]:
    """The rows behind the header that are not blank, each with its contact or its rejection.

    Args:
        file: A file that `check_file` has accepted, from its beginning.
        after: Rows to skip, because an earlier run has dealt with them.
    """
    records = enumerate(_records(file), start=1)
    return (_row(number, *record) for number, record in islice(records, after, None))


def _records(file: IO[bytes]) -> Iterator[tuple[int, str | list[str], Rejection | None]]:
    """The line that each record begins in, its fields, and what is wrong with its quotes.

    A line without quotes is left as it is: csv.reader would part it at its commas, slowly.
    """
    lines = _Lines(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
    reader = csv.reader(lines, strict=True)
    next(reader)
    for line in lines.first_of_rows():
        number = lines.number
        if '"' not in line and len(line) <= LONGEST_FIELD:
            if record := line.rstrip("\r\n"):
                yield number, record, None
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


def _row(number: int, line: int, record: str | list[str], rejection: Rejection | None) -> Row:
    if isinstance(record, str):
        good = _GOOD_LINE.fullmatch(record) if record.isprintable() else None
        if good and len(good[2]) <= LONGEST_EMAIL:
            name, email, company, amount = fields = good.groups()
            contact = (name, email.lower(), company, amount)
            return Row(number, line, contact if contact[1] == email else fields, contact, None)
        record = record.split(",")
    return _examined(number, line, record, rejection)


def _examined(number: int, line: int, fields: list[str], rejection: Rejection | None) -> Row:
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
