"""A CSV file of contacts: is it one, and what does each of its rows say."""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, NamedTuple

from app.features.contacts.rules import LONGEST_EMAIL, normalize_email
from app.inputs import refuse_control_characters

HEADER = ["name", "email", "company", "amount"]
LONGEST_FIELD = 10_000
"""Characters. A quote that is never closed ends here and not at the end of the file."""

_READ_BYTES = 1024 * 1024
_COUNTED_AT_ONCE = 1000
# Lines that are good rows as they stand, as most are: one look at all of them instead of a dozen at
# each, which never goes back a step. It knows what ASCII has of white space and control characters;
# text beyond ASCII has to be printable. What it refuses is in the last group, and is looked at
# closely.
_GOOD_LINES = re.compile(
    r"""
    ^(?:
        ((?!\ )[^\x00-\x1f,\x7f]{1,200}+(?<!\ )) ,
        ([\w.+-]{1,64}+@[\w-]++(?:\.[\w-]++)++) ,
        ((?!\ )[^\x00-\x1f,\x7f]{0,200}+(?<!\ )) ,
        ([+-]?[0-9]{1,12}+(?:\.[0-9]{1,2}+)?)
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


# The line that a record begins in, its fields, and what is wrong with its quotes. A line without
# quotes may be left as it is.
_Record = tuple[int, str | list[str], Rejection | None]


class Batch(NamedTuple):
    """Rows that follow each other, as they were read.

    Attributes:
        before: How many rows of the file come before them.
        last: The number of the last of them.
        line: The line that the first begins in, where they are a text.
        text: All of them, where each is a line without quotes, as most are.
        records: Each of them, where they are no text.
    """

    before: int
    last: int
    line: int = 0
    text: str = ""
    records: Sequence[_Record] = ()

    def rows(self, places: Iterable[int]) -> list[Row]:
        """Some of the rows, each closely looked at."""
        records = self._records()
        return [_row(self.before + place + 1, *records[place]) for place in places]

    def behind(self, after: int) -> "Batch":
        """What is left without the rows up to that number."""
        return Batch(after, self.last, records=self._records()[after - self.before :])

    def examine(self) -> tuple[Contacts, list[Row]]:
        """The rows that are contacts, and the others, each with its rejection."""
        lines = (record for _, record, _ in self.records if isinstance(record, str))
        matches = _GOOD_LINES.findall(self.text or "\n".join(lines))
        if len(matches) == self.last - self.before:
            name, email, company, amount, others = zip(*matches, strict=True)
            if not any(others) and max(map(len, email)) <= LONGEST_EMAIL:
                columns = (name, list(map(str.lower, email)), company, amount)
                return Contacts(range(len(matches)), columns), []
        return self._examine_each(iter(matches))

    def _examine_each(self, matches: Iterator[tuple[str, ...]]) -> tuple[Contacts, list[Row]]:
        places: list[int] = []
        contacts: list[tuple[str, ...]] = []
        rejected: list[Row] = []
        for place, record in enumerate(self._records()):
            if isinstance(record[1], str):
                name, email, company, amount, other = next(matches)
                if not other and len(email) <= LONGEST_EMAIL:
                    places.append(place)
                    contacts.append((name, email.lower(), company, amount))
                    continue
            row = _row(self.before + place + 1, *record)
            if row.contact:
                places.append(place)
                contacts.append(row.contact)
            else:
                rejected.append(row)
        columns = list(zip(*contacts, strict=True)) or [()] * len(HEADER)
        return Contacts(places, columns), rejected

    def _records(self) -> Sequence[_Record]:
        lines = enumerate(self.text.split("\n"), start=self.line)
        return self.records or [(number, line, None) for number, line in lines]


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


def count_rows(opened: Callable[[], IO[bytes]]) -> int:
    """How many rows `read_batches` will find.

    Args:
        opened: Opens the file, from its beginning.
    """
    rows = _count_lines(opened())
    if rows is None:
        rows = 0
        for batch in _batches(opened(), _COUNTED_AT_ONCE):
            rows = batch.last
    return rows


def _count_lines(file: IO[bytes]) -> int | None:
    """The lines behind the header, or None where a line may be more or less than a row."""
    ends = 0
    last = b"\n"
    while block := file.read(_READ_BYTES):
        if b'"' in block or b"\r" in block or b"\n\n" in block or last + block[:1] == b"\n\n":
            return None
        ends += block.count(b"\n")
        last = block[-1:]
    return ends - (last == b"\n")


def read_batches(file: IO[bytes], size: int, *, after: int = 0) -> Iterator[Batch]:
    """The rows behind the header that are not blank, so many at a time, or fewer.

    Args:
        file: A file that `check_file` has accepted, from its beginning.
        size: The most rows of a batch.
        after: Rows to skip, because an earlier run has dealt with them.
    """
    for batch in _batches(file, size):
        if batch.before >= after:
            yield batch
        elif batch.last > after:
            yield batch.behind(after)


def _batches(file: IO[bytes], size: int) -> Iterator[Batch]:
    lines = _Lines(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
    records = _records(lines)
    last = 0
    while taken := lines.take(size):
        before = last
        text = "".join(taken).replace("\r\n", "\n").removesuffix("\n")
        if _is_plain(text) and max(map(len, taken)) <= LONGEST_FIELD:
            last += len(taken)
            yield Batch(before, last, lines.number - len(taken) + 1, text)
            continue
        lines.give_back(taken)
        if found := tuple(islice(records, len(taken))):
            last += len(found)
            yield Batch(before, last, records=found)


def _is_plain(text: str) -> bool:
    """Whether each line is a row as it stands: none is blank, and they end as Unix has it."""
    return (
        '"' not in text
        and "\r" not in text
        and "\n\n" not in f"\n{text}\n"
        and (text.isascii() or text.replace("\n", "").isprintable())
    )


def _records(lines: "_Lines") -> Iterator[_Record]:
    reader = csv.reader(lines, strict=True)
    for line in lines.first_of_rows():
        number = lines.number
        if '"' not in line and len(line) <= LONGEST_FIELD:
            if record := line.rstrip("\r\n"):
                # csv.reader would part it at its commas too, slowly.
                yield number, record if record.isprintable() else record.split(","), None
            continue
        lines.give_back([line])
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
        next(csv.reader(self, strict=True))  # the header

    def first_of_rows(self) -> Iterator[str]:
        """The line that comes next, as often as nobody else has taken it."""
        while line := self._again.popleft() if self._again else next(self._text, ""):
            self.number += 1
            yield line

    def take(self, size: int) -> list[str]:
        """The lines that come next, at most so many."""
        lines = list(islice(self._text, size)) if not self._again else []
        while self._again and len(lines) < size:
            lines.append(self._again.popleft())
        self.number += len(lines)
        return lines

    def give_back(self, lines: list[str]) -> None:
        """Make the lines that came last the next ones again, and begin a row with them."""
        self._row.clear()
        self._again.extendleft(reversed(lines))
        self.number -= len(lines)

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
    fields = record.split(",") if isinstance(record, str) else record
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
