"""Signs profiles with the certificate that the portal shows, so that devices call them verified (CMS, RFC 5652)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

if TYPE_CHECKING:
    from pathlib import Path


class CannotSign(Exception):
    """There is nothing to sign with. The text names the file and the remedy; unsigned profiles work, with a warning."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate, its key, and the certificates behind it."""

    chain: tuple[x509.Certificate, ...]
    private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False)

    def sign(self, profile: bytes) -> bytes:
        """The profile inside a signed message, DER."""
        builder = PKCS7SignatureBuilder().set_data(profile)
        builder = builder.add_signer(self.chain[0], self.private_key, hashes.SHA256())
        for certificate in self.chain[1:]:  # a device knows the root alone
            builder = builder.add_certificate(certificate)
        return builder.sign(serialization.Encoding.DER, [PKCS7Options.Binary])


def signer(certificate: Path, private_key: Path) -> Signer:
    """Read certificate, chain and key, both in PEM. Raises CannotSign."""
    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
        # Its primes are not tested anew: that takes half a second, and anybody may ask for a profile.
        key = serialization.load_pem_private_key(private_key.read_bytes(), None, unsafe_skip_rsa_key_validation=True)
    except (OSError, ValueError, TypeError) as error:  # TypeError: the key is encrypted
        raise CannotSign(f"{certificate}, {private_key}: unusable ({error}); `mailguard check` says more") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise CannotSign(f"{private_key}: is neither an RSA nor an EC key, as signed profiles need")
    return Signer(tuple(chain), key)
