"""The oldest Postgres that the product runs on, and a server that proves who it is.

Both need programs of the machine's: the embedded server has no TLS, and is of one version.
"""

import datetime as dt
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import make_url

from app.dev.postgres import OLDEST_MAJOR, Postgres, Programs
from app.dev.servers import Connections, login_url
from app.doctor import examine
from app.hosts.addresses import with_proof
from tests.choices import layout, tenants
from tests.running import Platform

PROGRAMS = Path(f"/usr/lib/postgresql/{OLDEST_MAJOR}/bin")

pytestmark = pytest.mark.skipif(
    not (PROGRAMS / "initdb").exists(), reason=f"there is no Postgres {OLDEST_MAJOR} here"
)

NAME = "db.example.com"


class Authority:
    """Who signs certificates."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / f"{name}.crt"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._write(self.file, self._signed(self._name, self._key.public_key(), is_authority=True))

    def certify(self, name: str, certificate: Path, key_file: Path) -> None:
        """Write a certificate, and its key, of a server of this name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._write(certificate, self._signed(subject, key.public_key(), server=name))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        key_file.chmod(0o600)

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        is_authority: bool = False,
        server: str | None = None,
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        )
        if server is not None:
            names = x509.SubjectAlternativeName([x509.DNSName(server)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Postgres of the oldest version, laid out as the host's, with a certificate of its name."""
    folder = tmp_path_factory.mktemp("oldest")
    postgres = Postgres(
        folder / "postgres",
        name="tests",
        password=secrets.token_urlsafe(),
        log=folder / "postgres.log",
        durable=False,
    )
    postgres.programs = Programs(PROGRAMS, OLDEST_MAJOR)
    try:
        postgres.start()
        certificate, key = (postgres.directory / f"server.{kind}" for kind in ("crt", "key"))
        authority.certify(NAME, certificate, key)
        if postgres.account is not None:
            for path in (certificate, key):
                os.chown(path, postgres.account.uid, postgres.account.gid)
        with psycopg.connect(postgres.admin_url, autocommit=True) as admin:
            admin.execute("alter system set ssl = on")
            admin.execute("select pg_reload_conf()")
            layout.prepare_server(admin)
            layout.prepare_database(admin)
        yield postgres
    finally:
        postgres.destroy()
        shutil.rmtree(folder, ignore_errors=True)


def test_the_oldest_version_is_migrated_and_healthy(platform: Platform, server: Postgres) -> None:
    there = Connections(
        migrator=server.url(),
        app_api=login_url(server.url(), "app_api", secrets.token_urlsafe()),
        app_worker=login_url(server.url(), "app_worker", secrets.token_urlsafe()),
        storage=platform.connections.storage,
        issuer=platform.connections.issuer,
        queue=platform.connections.queue,
        mail=platform.connections.mail,
        admin=server.admin_url,
    )
    tenants.prepare(lambda: platform.migrate(there), there)
    assert platform.migrate(there)
    with psycopg.connect(server.url()) as owner:
        assert owner.info.server_version // 10_000 == OLDEST_MAJOR
        found = [finding for check in examine(owner) for finding in check.findings]
    assert [finding for finding in found if not finding.is_warning] == []


def proven(server: Postgres, name: str, certificates: Path) -> str:
    """The server's address under a name, as the settings make it; the name leads to loopback."""
    address = make_url(server.url()).set(host=name)
    url = with_proof(address.render_as_string(hide_password=False), str(certificates))
    return f"{url}&hostaddr=127.0.0.1"


def test_a_server_that_proves_its_name_is_let_in(server: Postgres, authority: Authority) -> None:
    with psycopg.connect(proven(server, NAME, authority.file)) as connection:
        encrypted = connection.execute(
            "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
        ).fetchone()
    assert encrypted == (True,)


def test_a_server_of_another_name_is_not(server: Postgres, authority: Authority) -> None:
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        psycopg.connect(proven(server, "other.example.com", authority.file))


def test_a_server_whom_somebody_else_vouches_for_is_not(server: Postgres, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(proven(server, NAME, stranger.file))
