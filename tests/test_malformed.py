"""Whatever is uploaded gets a clear problem or a clear result; nothing is lost, nothing doubled."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from driving import API, Client, Product, forget_memory_peak, memory_peak, problem
from rendering import covering, name_of

pytest_plugins = ["products"]

# What becomes of a file does not depend on an answer.
pytestmark = pytest.mark.parametrize(
    "combination", covering()[:1], ids=name_of, indirect=True, scope="session"
)

HEADER = b"name,email,company,amount\n"
ADA = b"Ada,ada@example.com,Engines,1.50\n"
BOB = b"Bob,bob@example.com,,2\n"
IMPORTS = f"{API}/imports"
MIB = 1024 * 1024
BOUNDARY = "a-boundary"


@pytest.fixture
def client(product: Product) -> Client:
    return product.running().sign_in()


@pytest.fixture
def nothing_is_stored(client: Client) -> Iterator[None]:
    """What a refused upload leaves: no import, no job, no file."""
    before = client.product.stored_files()
    yield
    assert client.product.stored_files() == before
    assert client.everything("/imports") == []
    assert client.everything("/contacts") == []
    assert client.product.sql(
        "select count(*) from app.outbox where tenant_id = %s", client.tenant_id
    ) == [(0,)]


# --- Files that are refused ---

REFUSED = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\n", "is empty"),
    "only a byte order mark": (b"\xef\xbb\xbf", ""),
    "header only": (HEADER, "no rows"),
    "no header": (ADA + BOB, "has no header"),
    "another header": (b"name;mail\n" + ADA, 'must be "name,email,company,amount"'),
    "columns in another order": (b"email,name,company,amount\n" + ADA, "The header must be"),
    "a column too many": (b"name,email,company,amount,phone\n" + ADA, "The header must be"),
    "UTF-16": (("\ufeff" + (HEADER + ADA).decode()).encode("utf-16-le"), "UTF-16"),
    "UTF-16, big end first": (("\ufeff" + (HEADER + ADA).decode()).encode("utf-16-be"), "UTF-16"),
    "UTF-16 without its mark": ((HEADER + ADA).decode().encode("utf-16-le"), "UTF-16"),
    "UTF-32": ((HEADER + ADA).decode().encode("utf-32"), "UTF-32"),
    "Windows-1252": (
        HEADER + ADA + "José,jose@example.com,Café,1\n".encode("cp1252"),
        "Line 3 is not UTF-8 (byte 0xE9)",
    ),
    "not UTF-8 far behind": (
        HEADER + b"".join(b"P%d,p%d@example.com,,1\n" % (n, n) for n in range(60_000)) + b"\xff\n",
        "Line 60002 is not UTF-8 (byte 0xFF)",
    ),
    "cut in the middle of a character": (HEADER + "Zoë"[:3].encode()[:-1], "Line 2 is not UTF-8"),
    "semicolons": ((HEADER + ADA).replace(b",", b";"), "separated by semicolons"),
    "tabs": ((HEADER + ADA).replace(b",", b"\t"), "separated by tabs"),
    "a spreadsheet": (b"PK\x03\x04\x14\x00\x06\x00\x08\x00[Content_Types].xml", "The header must"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", ""),
    "JSON": (b'[{"name": "Ada", "email": "ada@example.com"}]', "no header"),
    "a header of 2 MB": (b"x" * (2 * MIB) + b"\n" + ADA, "The header must be"),
    "a header that never ends": (b'"' + b"x" * (2 * MIB), "The header must be"),
}


@pytest.mark.usefixtures("nothing_is_stored")
@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_no_csv_of_contacts_is_refused(
    client: Client, content: bytes, reason: str
) -> None:
    detail = problem(client.upload(content), 422)
    assert reason in detail
    assert len(detail) < 500


# --- Files with rows that are refused ---


@dataclass(frozen=True)
class Outcome:
    """What an import leads to: the names of its contacts, and of each bad row where and why."""

    names: tuple[str, ...]
    rejected: tuple[tuple[int, str, str], ...] = ()


LONG_FIELD = b"x" * 20_000
IMPORTED = {
    "a byte order mark": (b"\xef\xbb\xbf" + HEADER + ADA, Outcome(("Ada",))),
    "CRLF": ((HEADER + ADA + BOB).replace(b"\n", b"\r\n"), Outcome(("Ada", "Bob"))),
    "CR alone": ((HEADER + ADA + BOB).replace(b"\n", b"\r"), Outcome(("Ada", "Bob"))),
    "no newline at the end": ((HEADER + ADA).rstrip(), Outcome(("Ada",))),
    "blank lines": (HEADER + b"\n\n" + ADA + b"\n" + BOB + b"\n\n", Outcome(("Ada", "Bob"))),
    "a header in capitals": (b" Name , EMAIL,Company,AMOUNT\n" + ADA, Outcome(("Ada",))),
    "everything quoted": (
        b'"name","email","company","amount"\n"Ada","ada@example.com","Engines","1.50"\n',
        Outcome(("Ada",)),
    ),
    "newlines in quotes": (
        HEADER + b'"Ada\nLovelace",ada@example.com,"one\r\ntwo",1\n,bob@example.com,,1\n',
        Outcome(("Ada\nLovelace",), ((5, "name", "is missing"),)),
    ),
    "quotes and commas in quotes": (
        HEADER + b'"Ada ""Countess"", Lovelace",ada@example.com,,1\n',
        Outcome(('Ada "Countess", Lovelace',)),
    ),
    "every script": (
        HEADER + "株式会社 🚀 Ωмега عرب,a@example.com,,1\n".encode(),
        Outcome(("株式会社 🚀 Ωмега عرب",)),
    ),
    "NUL": (
        HEADER + b"A\0da,ada@example.com,,1\n" + BOB,
        Outcome(("Bob",), ((2, "name", "holds the control character U+0000"),)),
    ),
    "a quote that is never closed": (
        HEADER + ADA + b'"Zoe,zoe@example.com,,1\n' + BOB,
        Outcome(("Ada", "Bob"), ((3, "", "the quotes do not match"),)),
    ),
    "one column": (
        HEADER + b"Ada\n" + BOB,
        Outcome(("Bob",), ((2, "", "has 1 columns, not 4"),)),
    ),
    "a field of 20,000 characters": (
        HEADER + LONG_FIELD + b",ada@example.com,,1\n" + BOB,
        Outcome(("Bob",), ((2, "", "field larger than field limit"),)),
    ),
    "the same address twice": (
        HEADER + ADA + b"Ada 2,ADA@example.com,,1\n",
        Outcome(("Ada",), ((3, "email", "belongs to another contact already"),)),
    ),
    "amounts of every kind": (
        HEADER + b"A,a@example.com,,-1\nB,b@example.com,,1e3\nC,c@example.com,,1.005\n"
        b'D,d@example.com,,"1,000"\nE,e@example.com,,NaN\nF,f@example.com,,+7.1\n',
        Outcome(
            ("A", "F"),
            tuple((line, "amount", "is not a number like 1234.50") for line in (3, 4, 5, 6)),
        ),
    ),
    "nothing but bad rows": (
        HEADER + b",,,\n",
        Outcome((), ((2, "name", "is missing"),)),
    ),
}


@pytest.mark.parametrize(("content", "outcome"), IMPORTED.values(), ids=IMPORTED)
def test_every_row_becomes_a_contact_or_is_refused_with_a_reason(
    client: Client, content: bytes, outcome: Outcome
) -> None:
    import_id = client.start_import(content)
    ended = client.import_ended(import_id)
    assert ended["status"] == "succeeded", ended
    assert sorted(contact["name"] for contact in client.everything("/contacts")) == sorted(
        outcome.names
    )
    rejected = client.product.sql(
        "select line, coalesce(column_name, ''), reason from import_rejections "
        "where import_id = %s order by row_no",
        import_id,
    )
    assert len(rejected) == ended["rows_rejected"] == len(outcome.rejected)
    for (line, column, reason), (at, name, why) in zip(rejected, outcome.rejected, strict=True):
        assert (line, column) == (at, name)
        assert why in reason
    assert client.rejected_rows(import_id).startswith("line,column,reason,")


# --- Twice ---


def test_the_same_file_twice_adds_nothing(client: Client) -> None:
    content = HEADER + ADA + BOB
    client.import_ended(client.start_import(content))
    contacts = client.everything("/contacts")

    again = client.start_import(content)
    ended = client.import_ended(again)
    assert (ended["status"], ended["rows_done"], ended["rows_rejected"]) == ("succeeded", 2, 2)
    assert client.rejected_rows(again).count("belongs to another contact already") == 2
    assert client.everything("/contacts") == contacts


def test_the_same_key_twice_is_one_import(client: Client) -> None:
    before = client.product.stored_files()
    first = client.upload(HEADER + ADA, key="people-1")
    assert first.status_code == 202
    client.import_ended(first.json()["id"])

    second = client.upload(HEADER + ADA, key="people-1")
    assert second.status_code == 202
    assert second.json()["id"] == first.json()["id"]
    assert len(client.everything("/imports")) == 1
    assert len(client.product.stored_files() - before) == 1

    other = client.upload(HEADER + BOB, key="people-1")
    assert "another file" in problem(other, 422)
    assert len(client.everything("/contacts")) == 1

    # A key is its tenant's own.
    assert client.product.sign_in("u2").upload(HEADER + BOB, key="people-1").status_code == 202


def test_the_same_key_ten_times_at_once_is_one_import(client: Client) -> None:
    before = client.product.stored_files()
    client.get("/me")
    together = threading.Barrier(10)
    answers: list[Any] = []

    def upload() -> None:
        twin = Client(client.product, client.tenant, client.token)
        together.wait()
        answers.append(twin.upload(HEADER + ADA, key="people-1"))

    threads = [threading.Thread(target=upload) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [202] * 10, [a.text for a in answers]
    (import_id,) = {answer.json()["id"] for answer in answers}
    assert client.import_ended(import_id)["rows_rejected"] == 0
    assert len(client.everything("/imports")) == len(client.everything("/contacts")) == 1
    assert len(client.product.stored_files() - before) == 1


@pytest.mark.usefixtures("nothing_is_stored")
@pytest.mark.parametrize(
    "key", ["", "x" * 256, "two words", "x" * 20_000], ids=["empty", "256", "space", "20,000"]
)
def test_a_bad_key_is_refused(client: Client, key: str) -> None:
    problem(client.upload(HEADER + ADA, key=key), 422)


# --- Requests that are no upload ---


def multipart(*parts: bytes) -> bytes:
    """A body whose parts are written as they stand."""
    delimiter = f"--{BOUNDARY}".encode()
    return b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts) + delimiter + b"--\r\n"


def part(name: bytes, content: bytes = HEADER + ADA) -> bytes:
    return b"Content-Disposition: form-data; " + name + b"\r\n\r\n" + content


FORM = f"multipart/form-data; boundary={BOUNDARY}"
FILE = part(b'name="file"; filename="a.csv"')
REQUESTS = {
    "nothing": (None, b""),
    "the CSV itself": ("text/csv", HEADER + ADA),
    "JSON": ("application/json", b'{"file": "name,email"}'),
    "a form without files": ("application/x-www-form-urlencoded", b"file=name%2Cemail"),
    "no boundary": ("multipart/form-data", multipart(FILE)),
    "another boundary": ("multipart/form-data; boundary=other", multipart(FILE)),
    "no part": (FORM, multipart()),
    "no body": (FORM, b""),
    "another field": (FORM, multipart(part(b'name="csv"; filename="a.csv"'))),
    "a text": (FORM, multipart(part(b'name="file"'))),
    "two files": (FORM, multipart(FILE, FILE)),
    "a part without a name": (FORM, multipart(part(b'filename="a.csv"'))),
    "a body that is cut": (FORM, multipart(FILE)[:-20]),
    "headers of a part without end": (FORM, multipart(b"X: " + b"x" * 100_000)),
    "a thousand fields": (FORM, multipart(*[part(b'name="x"', b"1")] * 1000, FILE)),
    "a field of 2 MB": (FORM, multipart(part(b'name="x"', b"x" * 2 * MIB), FILE)),
}


@pytest.mark.usefixtures("nothing_is_stored")
@pytest.mark.parametrize(("content_type", "body"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_that_is_no_upload_is_refused(
    client: Client, content_type: str | None, body: bytes
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = client.http.post(IMPORTS, content=body, headers=headers)
    assert answer.status_code in {400, 413, 415, 422}, answer.text
    problem(answer, answer.status_code)


@pytest.mark.parametrize(
    "file_name",
    [
        b"../../../../etc/passwd",
        b"..\\..\\windows\\win.ini",
        b"/etc/passwd",
        b"a\0b.csv",
        b"x" * 1000 + b".csv",
        b'quo\\"te.csv',
        b"new%0d%0aline.csv",
        "株式会社.csv".encode(),
        b"\xff\xfe.csv",
        b"<script>alert(1)</script>.csv",
        b"",
    ],
    ids=str,
)
def test_a_file_name_is_only_a_name(client: Client, file_name: bytes) -> None:
    before = client.product.stored_files()
    body = multipart(part(b'name="file"; filename="' + file_name + b'"'))
    answer = client.http.post(IMPORTS, content=body, headers={"Content-Type": FORM})
    if answer.status_code != 202:
        assert answer.status_code in {400, 422}, answer.text
        problem(answer, answer.status_code)
        assert client.product.stored_files() == before
        return
    import_id = answer.json()["id"]
    assert client.import_ended(import_id)["status"] == "succeeded"
    (stored,) = client.product.stored_files() - before
    assert stored == f"tenants/{client.tenant_id}/imports/{import_id}.csv"
    assert 0 < len(client.get(f"/imports/{import_id}")["file_name"]) <= 255


@pytest.mark.parametrize("identifier", ["nonesuch", "%00", "..%2f..%2fetc", "1" * 5000])
def test_an_id_that_is_none_is_refused(client: Client, identifier: str) -> None:
    for path in (f"{IMPORTS}/{identifier}", f"{IMPORTS}/{identifier}/rejected.csv"):
        answer = client.http.get(path)
        assert answer.status_code in {404, 422}, answer.text
        problem(answer, answer.status_code)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "cursor=x", "q=%00", "q=" + "x" * 201]
)
def test_a_bad_parameter_is_refused(client: Client, query: str) -> None:
    problem(client.http.get(f"{API}/contacts?{query}"), 422)


# --- Size ---


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 MB of valid rows."""
    path = tmp_path_factory.mktemp("big") / "big.csv"
    with path.open("wb") as file:
        file.write(HEADER)
        for block in range(200):
            rows = (
                b"Person,p%d@example.com,Company,1.00\n" % (block * MIB + n) for n in range(MIB)
            )
            size = 0
            for row in rows:
                size += file.write(row)
                if size >= MIB:
                    break
    return path


@pytest.fixture
def memory_is_bounded(client: Client) -> Iterator[None]:
    """What the API holds of an upload is far less than the upload."""
    pid = client.product.pid("api")
    forget_memory_peak(pid)
    before = memory_peak(pid)
    yield
    grown = memory_peak(pid) - before
    assert grown < 30 * MIB, f"the API has grown by {grown / MIB:.0f} MiB"
    assert client.product.pid("api") == pid


@pytest.mark.usefixtures("nothing_is_stored", "memory_is_bounded")
def test_an_upload_that_announces_too_much_is_refused(client: Client, big: Path) -> None:
    detail = problem(client.upload(big), 413)
    assert "larger than" in detail


@pytest.mark.usefixtures("nothing_is_stored", "memory_is_bounded")
def test_an_upload_that_does_not_say_its_size_is_refused(client: Client, big: Path) -> None:
    delimiter = f"--{BOUNDARY}\r\n".encode()

    def chunks() -> Iterator[bytes]:
        yield delimiter + part(b'name="file"; filename="big.csv"', b"")
        with big.open("rb") as file:
            while block := file.read(MIB):
                yield block

    answer = client.http.post(IMPORTS, content=chunks(), headers={"Content-Type": FORM})
    problem(answer, 413)


@pytest.mark.usefixtures("nothing_is_stored", "memory_is_bounded")
@pytest.mark.parametrize("expect", ["Expect: 100-continue", "Expect:"], ids=["asks first", "sends"])
def test_curl_reads_why_its_upload_is_refused(client: Client, big: Path, expect: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60"),
            *("--write-out", "\n%{http_code} %{content_type}", "--header", expect),
            *("--header", f"Authorization: Bearer {client.token}"),
            *("--form", f"file=@{big}", f"{client.product.url}{IMPORTS}"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\n413 application/problem+json")
    assert '"request_id":"' in done.stdout.replace(" ", "")


@pytest.mark.usefixtures("memory_is_bounded")
def test_an_upload_just_below_the_limit_is_accepted(client: Client, big: Path) -> None:
    with big.open("rb") as file:
        almost = file.read(100 * MIB - 4096).rpartition(b"\n")[0] + b"\n"
    detail = problem(client.upload(almost + b"\xff\n"), 422)
    assert "is not UTF-8" in detail


@pytest.mark.usefixtures("nothing_is_stored")
def test_other_requests_have_a_limit_of_their_own(client: Client) -> None:
    answer = client.http.post(f"{API}/contacts", json={"name": "x" * 2 * MIB, "email": "a@b.cd"})
    problem(answer, 413)
    assert client.get("/contacts")["items"] == []
