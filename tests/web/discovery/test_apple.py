"""Profiles for Apple's Mail, and that OpenSSL believes their signature."""

from __future__ import annotations

import plistlib
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mailguard.auth.accounts import AccountName
from mailguard.secret import Secret
from mailguard.web.discovery.apple import apple_profile, file_name, public_profile
from mailguard.web.discovery.offer import NotOffered, Offer
from mailguard.web.discovery.signature import CannotSign, signer
from tests.support.certs import Authority, Issued
from tests.web.discovery.conftest import IMAPS, Written

JO, ANN = AccountName("jörg@example.org"), AccountName("ann@example.org")
PASSWORD = Secret(b"k7mq-2xwd-aaaa-bbbb-cccc-dddd-eeee")
LABEL = 'Jörgs "neues" iPhone <&> 📱'

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def mail(profile: dict[str, Any]) -> dict[str, Any]:
    (inner,) = profile["PayloadContent"]
    assert inner["PayloadType"] == "com.apple.mail.managed"
    assert isinstance(inner, dict)
    return inner


def test_a_device_needs_nothing_more(everything: Offer) -> None:
    profile = plistlib.loads(apple_profile(everything, JO, LABEL, PASSWORD))
    inner = mail(profile)
    assert profile["PayloadType"] == "Configuration"
    assert profile["PayloadDescription"] == LABEL
    assert profile["PayloadDisplayName"] == JO
    assert inner["EmailAccountType"] == "EmailTypeIMAP"
    assert inner["EmailAddress"] == inner["IncomingMailServerUsername"] == inner["OutgoingMailServerUsername"] == JO
    assert inner["IncomingPassword"] == PASSWORD.reveal().decode()
    assert inner["OutgoingPasswordSameAsIncomingPassword"] is True
    for direction, port in (("Incoming", 993), ("Outgoing", 465)):
        assert inner[f"{direction}MailServerHostName"] == "mail.example.org"
        assert inner[f"{direction}MailServerPortNumber"] == port
        assert inner[f"{direction}MailServerUseSSL"] is True
        assert inner[f"{direction}MailServerAuthentication"] == "EmailAuthPassword"
    assert (inner["SMIMEEnabled"], inner["PreventMove"]) == (False, False)


def ids(profile: bytes) -> list[str]:
    read = plistlib.loads(profile)
    return [each[name] for each in (read, mail(read)) for name in ("PayloadUUID", "PayloadIdentifier")]


def test_a_second_profile_takes_the_place_of_the_first(everything: Offer) -> None:
    first = ids(apple_profile(everything, ANN, "phone", PASSWORD))
    assert ids(apple_profile(everything, ANN, "new phone", Secret(b"other"))) == first
    others = [*ids(apple_profile(everything, JO, "phone", PASSWORD)), *ids(public_profile(everything, "example.org"))]
    assert len({*first, *others}) == 12


def test_a_label_that_xml_cannot_hold_is_told_without_what_it_cannot(everything: Offer) -> None:
    profile = plistlib.loads(apple_profile(everything, ANN, "a\x00b\x1b\ud800\ufffe", PASSWORD))
    assert profile["PayloadDescription"] == "ab"


def test_the_public_one_names_nobody(everything: Offer) -> None:
    profile = plistlib.loads(public_profile(everything, "example.org"))
    inner = mail(profile)
    assert "PayloadDescription" not in profile
    assert not {"EmailAddress", "IncomingPassword", "IncomingMailServerUsername"} & inner.keys()
    assert inner["IncomingMailServerHostName"] == "mail.example.org"
    assert file_name("example.org") == "example.org.mobileconfig"


def test_half_of_it_is_not_made(written: Written) -> None:
    with pytest.raises(NotOffered):
        public_profile(written.offered(IMAPS), "example.org")


def chain(folder: Path, keys: list[Key]) -> tuple[Issued, Path]:
    """A certificate of the last key, behind it those between, and the root of the first key, as a file of its own."""
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"number {index}")]) for index in range(len(keys))]
    issued = []
    for index, key in enumerate(keys):
        leaf, above = index == len(keys) - 1, max(index - 1, 0)
        builder = (
            x509.CertificateBuilder(names[above], names[index], key.public_key(), x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=not leaf, path_length=None), critical=True)
        )
        if leaf:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        issued.append(builder.sign(keys[above], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    files = Issued(folder / "fullchain.pem", folder / "privkey.pem")
    files.certificate.write_bytes(b"".join(reversed(issued[1:])))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files.key.write_bytes(keys[-1].private_bytes(*pem))
    (folder / "root.pem").write_bytes(issued[0])
    return files, folder / "root.pem"


def verified(signed: bytes, ca: Path, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """The content, where OpenSSL finds its way from the signature to the authority."""
    (folder / "signed").write_bytes(signed)
    words = ("cms", "-verify", "-inform", "DER", "-in", str(folder / "signed"), "-CAfile", str(ca), "-binary")
    # The certificate is a server's, as devices accept it here; OpenSSL would have one for letters.
    return subprocess.run(["openssl", *words, "-purpose", "any"], capture_output=True, check=False)


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


@pytest.mark.parametrize("make", [rsa_key, ec_key])
def test_openssl_verifies_a_profile_by_its_root_alone(make: Any, everything: Offer, tmp_path: Path) -> None:
    files, root = chain(tmp_path, [make(), make(), make()])
    profile = apple_profile(everything, JO, LABEL, PASSWORD)
    signed = signer(files.certificate, files.key).sign(profile)
    result = verified(signed, root, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout == profile
    assert plistlib.loads(result.stdout)["PayloadDescription"] == LABEL


def test_a_profile_that_was_altered_is_not_verified(
    everything: Offer, authority: Authority, localhost: Issued, tmp_path: Path
) -> None:
    signed = signer(localhost.certificate, localhost.key).sign(public_profile(everything, "example.org"))
    assert verified(signed, authority.ca, tmp_path).returncode == 0
    forged = signed.replace(b"mail.example.org", b"evil.example.org")
    assert forged != signed
    assert verified(forged, authority.ca, tmp_path).returncode != 0


def test_what_cannot_sign_says_why(localhost: Issued, tmp_path: Path) -> None:
    key, locked = tmp_path / "key.pem", tmp_path / "locked.pem"
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key.write_bytes(ed25519.Ed25519PrivateKey.generate().private_bytes(*pem, serialization.NoEncryption()))
    locked.write_bytes(rsa_key().private_bytes(*pem, serialization.BestAvailableEncryption(b"x")))
    for certificate, private_key, why in (
        (localhost.certificate, key, "neither an RSA nor an EC key"),
        (localhost.certificate, locked, "unusable"),
        (localhost.certificate, tmp_path / "none.pem", "unusable"),
        (localhost.key, localhost.key, "unusable"),
    ):
        with pytest.raises(CannotSign, match=why):
            signer(certificate, private_key)


def test_asking_for_a_profile_tests_no_primes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With that test each of a stranger's requests would cost half a second of a core."""
    load, heard = serialization.load_pem_private_key, []

    def listening(*args: Any, **options: Any) -> Any:
        heard.append(options)
        return load(*args, **options)

    monkeypatch.setattr(serialization, "load_pem_private_key", listening)
    files, _ = chain(tmp_path, [rsa_key(), rsa_key()])
    assert signer(files.certificate, files.key).sign(b"profile")
    assert heard == [{"unsafe_skip_rsa_key_validation": True}]


def test_a_signer_shows_no_key(localhost: Issued) -> None:
    assert "private_key" not in repr(signer(localhost.certificate, localhost.key))
