"""A throw-away certificate authority."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from mailguard import authority


@dataclass(frozen=True)
class Issued:
    """A leaf certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Issues leaf certificates; `ca` is its own certificate as a PEM file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = authority.Authority("mailguard test CA", timedelta(days=30))
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self._authority.certificate)

    def issue(self, *names: str, stem: str = "", valid: timedelta = timedelta(days=10)) -> Issued:
        """A certificate for DNS names and IP addresses; the files are named after `stem` or the first name."""
        key, certificate = self._authority.issue(*names, valid=valid)
        issued = Issued(self._folder / f"{stem or names[0]}.crt", self._folder / f"{stem or names[0]}.key")
        issued.certificate.write_bytes(certificate)
        issued.key.write_bytes(key)
        issued.key.chmod(0o600)
        return issued
