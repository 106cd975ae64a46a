"""nginx before a product, as it is deployed; and whoever ends TLS before that."""

import datetime as dt
import ipaddress
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from driving import free_port, until
from pooling import program_running

# A request without TLS comes to the same port, and is sent back to come with it.
_TLS = """\
server {{
    listen {host}:{port} ssl;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
    error_page 497 =301 https://$http_host$request_uri;
    location / {{
        proxy_pass {edge};
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-Proto https;
        proxy_set_header Cookie "{cookie}";
    }}
}}
"""


@dataclass(frozen=True)
class Edge:
    """A running nginx."""

    folder: Path
    url: str

    @property
    def certificate(self) -> Path:
        """Whom to trust, where it ends TLS."""
        return self.folder / "certificate.pem"


def program() -> str:
    """Nginx's path; without it the test is skipped, but for CI, where it fails."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if found is None:
        reason = "there is no nginx on this machine: apt-get install nginx"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def edge(folder: Path, repository: Path, frontend: str, api: str) -> Iterator[Edge]:
    """The cache that a product is delivered from."""
    address = f"127.0.0.1:{free_port()}"
    values = {
        "PORT": address,
        "FRONTEND": urlsplit(frontend).netloc,
        "API": urlsplit(api).netloc,
        "CACHE": str(folder / "cache"),
        "RELEASE": "tested",
        "/dev/stdout": str(folder / "access.log"),
    }
    site = (repository / "deploy/nginx/site.conf.template").read_text()
    for name, value in values.items():
        site = site.replace(name if name.startswith("/") else f"${{{name}}}", value)
    with _running(folder, site, f"http://{address}") as running:
        yield running


@contextmanager
def ending_tls(folder: Path, before: str, cookie: str = "") -> Iterator[Edge]:
    """HTTPS before an edge, for somebody who sends this cookie with every request."""
    _write_certificate(folder)
    port = free_port()
    server = _TLS.format(host="127.0.0.1", port=port, folder=folder, edge=before, cookie=cookie)
    with _running(folder, server, f"https://127.0.0.1:{port}") as running:
        yield running


@contextmanager
def _running(folder: Path, servers: str, url: str) -> Iterator[Edge]:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
    # As root, nginx would give its workers to a user who cannot write here.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"daemon off; {user} pid {folder / 'pid'}; events {{}} http {{ {temporary} {servers} }}"
    )
    log = folder / "error.log"
    parts = urlsplit(url)
    command: list[str | Path] = [program(), "-c", folder / "nginx.conf", "-e", log]

    def is_ready() -> bool:
        with suppress(OSError), socket.create_connection((parts.hostname, parts.port)):
            return True
        return False

    with program_running(command, folder / "nginx.out") as is_alive:
        until(lambda: is_alive() and is_ready(), "nginx")
        yield Edge(folder, url)


def _write_certificate(folder: Path) -> None:
    """A certificate of 127.0.0.1's own, for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
