"""`mailguard init`: the first files, never over others."""

import stat
from pathlib import Path

import pytest
from cryptography import x509

from mailguard import config, keyring
from mailguard.net.tls import certificate_facts, server_context
from tests.cli.conftest import Installation


def modes(folder: Path) -> dict[str, int]:
    return {
        str(file.relative_to(folder)): stat.S_IMODE(file.stat().st_mode) for file in folder.rglob("*") if file.is_file()
    }


def test_everything_is_made_and_fits_together(tmp_path: Path) -> None:
    new = Installation(tmp_path / "etc" / "config.toml")
    done = new.done("init", "--hostname", "mx.example.net", "--store-host", "10.0.0.5")
    assert [line.split()[0] for line in done.out.splitlines()] == ["made"] * 4
    assert modes(tmp_path / "etc") == {
        "config.toml": 0o644,
        "keys.toml": 0o600,
        "certs/privkey.pem": 0o600,
        "certs/fullchain.pem": 0o644,
    }
    settings = config.load(new.file)
    assert settings.server.hostname == "mx.example.net"
    assert settings.names.domain == "example.net"
    assert settings.backend["submission"].host == "10.0.0.5"
    keyring.load(settings.keys.file)
    server_context(settings.tls.certificate, settings.tls.private_key, minimum="TLSv1.2")
    assert certificate_facts(settings.tls.certificate).names == ("mx.example.net",)


def test_a_second_run_keeps_everything(tmp_path: Path) -> None:
    new = Installation(tmp_path / "config.toml")
    new.done("init", "--hostname", "mx.example.net")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    done = new.done("init", "--hostname", "other.example.net")
    assert [line.split()[0] for line in done.out.splitlines()] == ["kept"] * 4
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_what_is_there_is_used_and_kept(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "privkey.pem").write_text("mine")
    new = Installation(tmp_path / "config.toml")
    said = new.done("init", "--hostname", "mx.example.net").out
    assert f"kept {tmp_path}/certs/privkey.pem (private key)" in said
    assert not (tmp_path / "certs" / "fullchain.pem").exists()  # it would not belong to the key
    assert (tmp_path / "certs" / "privkey.pem").read_text() == "mine"


def test_the_certificate_is_for_servers_alone(tmp_path: Path) -> None:
    Installation(tmp_path / "config.toml").done("init", "--hostname", "mx.example.net")
    certificate = x509.load_pem_x509_certificate((tmp_path / "certs" / "fullchain.pem").read_bytes())
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints.ca is False


@pytest.mark.parametrize("wrong", [["--hostname", "no name"], ["--store-host", "a b"]])
def test_wrong_names_are_wrong_use_and_make_nothing(tmp_path: Path, wrong: list[str]) -> None:
    done = Installation(tmp_path / "config.toml")("init", *wrong)
    assert done.code == 2
    assert wrong[0] in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = Installation(tmp_path / "file" / "config.toml")("init", "--hostname", "mx.example.net")
    assert done.code == 1
    assert "--config" in done.err
