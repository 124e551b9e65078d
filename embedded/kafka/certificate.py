"""The certificate by which the nodes of one cluster, and the program that started them, recognise each other.

It is self-signed, made anew at every start, and never leaves the folder of the cluster. A process that can show it
counts as a node.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["CERTIFICATE_FILE", "COMMON_NAME", "KEY_FILE", "client_config", "write_certificate"]

COMMON_NAME: Final = "watchloop"
KEY_FILE: Final = "node-key.pem"
CERTIFICATE_FILE: Final = "node-certificate.pem"
DAYS_MAX: Final = 36_500
FILE_MODE: Final = 0o600


def write_certificate(folder: Path, host: str, now: dt.datetime) -> None:
    """Make key and certificate anew for servers at the IP address ``host``; the key's file holds both."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, COMMON_NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=DAYS_MAX))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(folder / KEY_FILE, secret + certificate)
    _write(folder / CERTIFICATE_FILE, certificate)


def client_config(folder: Path) -> dict[str, str]:
    """librdkafka's settings of a client that shows the certificate, and accepts no other from a server."""
    return {
        "security.protocol": "ssl",
        "ssl.ca.location": str(folder / CERTIFICATE_FILE),
        "ssl.certificate.location": str(folder / CERTIFICATE_FILE),
        "ssl.key.location": str(folder / KEY_FILE),
        "ssl.endpoint.identification.algorithm": "https",
    }


def _write(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as file:
        file.write(data)
