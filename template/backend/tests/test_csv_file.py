"""What a CSV file may look like, and what is said about one that may not."""

import io
from decimal import Decimal

import pytest

from app.features.contacts.rules import LONGEST_EMAIL
from app.features.imports.csv_file import BadFile, Row, check_file, count_rows, read_batches

HEADER = b"name,email,company,amount\n"


def rows_of(content: bytes) -> list[Row]:
    check_file(io.BytesIO(content), lambda _: None)
    return read(content)


def read(content: bytes, *, after: int = 0) -> list[Row]:
    """Every row by itself, if that says the same as the look at all of them and at a few."""
    for size in (1000, 3, 1):
        rows = []
        for batch in read_batches(io.BytesIO(content), size, after=after):
            contacts, rejected = batch.examine()
            fields = zip(*contacts.columns, strict=True)
            found = dict(zip(contacts.places, fields, strict=True))
            own = batch.rows(range(batch.last - batch.before))
            assert [found.get(place) for place in range(len(own))] == [row.contact for row in own]
            assert rejected == [row for row in own if row.rejection]
            rows += own
        assert [row.number for row in rows] == list(range(after + 1, after + 1 + len(rows)))
    assert count_rows(lambda: io.BytesIO(content)) == after + len(rows)
    return rows


def reason_for(content: bytes) -> str:
    with pytest.raises(BadFile) as refused:
        rows_of(content)
    return str(refused.value)


def test_a_good_row_becomes_a_contact() -> None:
    (row,) = rows_of(HEADER + b" Ann Lee ,Ann@Example.ORG,Lee & Co,12.50\n")
    assert row.contact == ("Ann Lee", "ann@example.org", "Lee & Co", "12.50")
    assert (row.number, row.line, row.rejection) == (1, 2, None)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\n\n \n", "empty"),
        (HEADER, "no rows"),
        (HEADER + b"\r\n \n", "no rows"),
        (b"Ann,ann@x.org,Lee,1\nBob,bob@x.org,Lee,2\n", "no header"),
        (b"first,last,mail\na,b,c\n", 'must be "name,email,company,amount", not: first,last,mail'),
        (b"name;email;company;amount\nAnn;ann@x.org;Lee;1\n", "semicolons"),
        (b"name\temail\tcompany\tamount\nAnn\tann@x.org\tLee\t1\n", "tabs"),
        ("name,email,company,amount\nÄ,a@x.org,,1\n".encode("utf-16"), "UTF-16"),
        ("name,email,company,amount\nÄ,a@x.org,,1\n".encode("utf-16-le"), "UTF-16"),
        ("name,email,company,amount\nÄ,a@x.org,,1\n".encode("utf-32"), "UTF-32"),
        (HEADER + "Zoë,zoe@x.org,,1\n".encode("windows-1252"), "Line 2 is not UTF-8 (byte 0xEB)"),
        (HEADER + b"A,a@x.org,,1\n" * 3 + b"\xff\n", "Line 5 is not UTF-8"),
        (HEADER + b"A,a@x.org,,1\nZo\xc3", "Line 3 is not UTF-8"),
        (HEADER + b"x" * 3_000_000, "Line 2 is longer than a mebibyte"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "header"),
    ],
)
def test_a_bad_file_is_refused_with_its_reason(content: bytes, says: str) -> None:
    assert says in reason_for(content)


def test_the_line_of_a_bad_byte_is_found_far_into_the_file() -> None:
    lines = 200_000
    content = HEADER + b"Ann,ann@example.org,Lee,1\n" * lines + b"Zo\xeb,z@x.org,,1\n"
    assert f"Line {lines + 2} is not UTF-8" in reason_for(content)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + HEADER + b"Ann,ann@x.org,Lee,1\n",
        HEADER.replace(b"\n", b"\r\n") + b"Ann,ann@x.org,Lee,1\r\n",
        HEADER.replace(b"\n", b"\r") + b"Ann,ann@x.org,Lee,1\r",
        HEADER + b"Ann,ann@x.org,Lee,1",
        b'"Name", Email ,COMPANY,"amount"\nAnn,ann@x.org,Lee,1\n',
    ],
    ids=["byte order mark", "CRLF", "CR", "no last newline", "quoted header in other case"],
)
def test_what_spreadsheets_write_is_accepted(content: bytes) -> None:
    (row,) = rows_of(content)
    assert row.contact == ("Ann", "ann@x.org", "Lee", "1")


def test_a_quoted_newline_belongs_to_its_row() -> None:
    first, second = rows_of(HEADER + b'"Ann\nLee",ann@x.org,"Lee, Ltd",1\nBob,bob@x.org,,2\n')
    assert first.contact == ("Ann\nLee", "ann@x.org", "Lee, Ltd", "1")
    assert (first.line, second.line) == (2, 4)


def test_a_quote_that_is_never_closed_costs_its_own_row_only() -> None:
    good = b"".join(b"P%d,p%d@x.org,,1\n" % (n, n) for n in range(2000))
    bad, *rest = rows_of(HEADER + b'"Ann,ann@x.org,,1\n' + good)
    assert bad.rejection is not None
    assert "quotes" in bad.rejection.reason
    assert bad.fields == ['"Ann,ann@x.org,,1']
    assert [row.line for row in rest] == list(range(3, 2003))
    assert all(row.contact for row in rest)


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        (b",a@x.org,,1", "name", "is missing"),
        (b"Ann,,,1", "email", "is missing"),
        (b"Ann,not-an-address,,1", "email", "not an email address"),
        (b"Ann,a@b,,1", "email", "not an email address"),
        (b"Ann,a@x.org,,", "amount", "is missing"),
        (b"Ann,a@x.org,,abc", "amount", "is not a number"),
        (b"Ann,a@x.org,,1.234", "amount", "is not a number"),
        (b"Ann,a@x.org,,NaN", "amount", "is not a number"),
        (b"Ann,a@x.org,,1e9", "amount", "is not a number"),
        (b"Ann,a@x.org,,1234567890123", "amount", "is not a number"),
        ("Ann,a@x.org,,١٢".encode(), "amount", "is not a number"),
        (b"A\x00nn,a@x.org,,1", "name", "U+0000"),
        (b"Ann,a@x.org," + b"x" * 201 + b",1", "company", "201 characters"),
        (b"Ann,a@x.org,,1,more", None, "has 5 columns, not 4"),
        (b"Ann,a@x.org", None, "has 2 columns, not 4"),
        (b'"An"n,a@x.org,,1', None, "quotes"),
    ],
)
def test_a_bad_row_names_its_column_and_reason(
    line: bytes, column: str | None, reason: str
) -> None:
    bad, good = rows_of(HEADER + line + b"\nBob,bob@x.org,,2\n")
    assert bad.rejection is not None
    assert bad.rejection.column == column
    assert reason in bad.rejection.reason
    assert good.contact == ("Bob", "bob@x.org", "", "2")


@pytest.mark.parametrize(
    "fields",
    [
        ["Ann Lee", "Ann.Lee+x@Example.co.uk", "Lee & Co", "-12.5"],
        [" Ann ", " ann@x.org ", " Lee ", " 1 "],
        ["Ann\u00a0Lee\u00a0", "zoë@exämple.org", "\u3000", "+1"],
        ["A", "a@x.org", "", "123456789012.34"],
        ["N" * 200, f"{'a' * 64}@{'b' * 185}.org", "C" * 200, "0"],
        ["N" * 201, "a@x.org", "", "0"],
        ["Ann", "a@x.org", "C" * 201, "0"],
        ["Ann", f"{'a' * 65}@x.org", "", "0"],
        ["Ann", f"a@{'b' * 249}.org", "", "0"],
        ["Ann", "a@x..org", "", "0"],
        ["Ann", "a@x.org.", "", "0"],
        ["Ann\tLee", "a@x.org", "a\x85b", "0"],
        ["Ann\x7f", "a@x.org", "", "0"],
        ["Ann", "a@x.org", "C\x1fD", "0"],
        ["Ann", "a@x.org", "", "1234567890123"],
        ["Ann", "a@x.org", "", "1."],
        ["Ann", "a@x.org", "", "\u0661"],
        [" ", "a@x.org", "", "1"],
        ["", "", "", ""],
        ["Ann", "a@x.org", "1"],
        ["Ann", "a@x.org", "", "1", "2"],
    ],
)
def test_quotes_change_nothing(fields: list[str]) -> None:
    quoted_line = ",".join(f'"{field}"' for field in fields)
    bare, quoted = rows_of(
        HEADER + ",".join(fields).encode() + b"\n" + quoted_line.encode() + b"\n"
    )
    assert (bare.contact, bare.rejection) == (quoted.contact, quoted.rejection)
    assert list(bare.fields) == list(quoted.fields) == fields


def test_blank_lines_are_not_rows() -> None:
    first, second = rows_of(HEADER + b"\n\nAnn,ann@x.org,,1\n\n\nBob,bob@x.org,,2\n\n")
    assert [(row.number, row.line) for row in (first, second)] == [(1, 4), (2, 7)]


def test_a_blank_line_is_no_row_wherever_the_file_is_cut_for_reading() -> None:
    row = b"Ann,ann@x.org,,1\n"
    short = HEADER + row * ((1024 * 1024 - len(HEADER)) // len(row) - 1)
    long = b"N" * (1024 * 1024 - len(short) - len(row)) + row
    assert len(short + long) == 1024 * 1024
    rows = rows_of(short + long + b"\nBob,bob@x.org,,2")
    assert len(rows) == short.count(b"\n") + 1
    assert rows[-1].contact == ("Bob", "bob@x.org", "", "2")


@pytest.mark.parametrize("length", [253, 254, 255, 256])
def test_an_email_is_as_long_as_it_is_in_a_contact(length: int) -> None:
    email = "a@" + "b" * (length - 6) + ".org"
    rows = rows_of(HEADER + f"Ann,{email},,1\n".encode() + b"Bob,b@x.org,,2\nZo,-,,3\n")
    assert [row.contact is not None for row in rows] == [length <= LONGEST_EMAIL, True, False]


def test_reading_continues_behind_what_is_done() -> None:
    content = HEADER + b"".join(b"P%d,p%d@x.org,,%d\n" % (n, n, n) for n in range(1, 11))
    rows = read(content, after=7)
    assert [row.number for row in rows] == [8, 9, 10]
    assert [Decimal(row.contact[3]) for row in rows if row.contact] == [8, 9, 10]
