"""Settings → what names may be, the file of aliases among it."""

from pathlib import Path

import pytest

from mailguard import config
from mailguard.app.naming import naming_of, shadowed
from mailguard.auth.names import NameRefused
from mailguard.config import ConfigError, Settings
from mailguard.config.example import render
from mailguard.config.kinds import Raw


def settings(folder: Path, **changes: Raw) -> Settings:
    file = folder / "config.toml"
    named = {"names.aliases": "aliases", **{name.replace("__", "."): value for name, value in changes.items()}}
    file.write_text(render(named))
    return config.load(file)


def test_the_file_is_read_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "aliases").write_bytes("\ufeffbüro ann\nCORP\\* *@example.org\n".encode())
    naming = naming_of(settings(tmp_path))
    assert naming.canonical("büro") == naming.canonical("corp\\ANN") == "ann@example.org"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"sales bob\ninfo\n", "config.toml: names.aliases: aliases, line 2: holds 1 words; write an alias"),
        (b"\xff\xfe", "is not text in UTF-8; save it as such"),
        (None, "cannot be read (No such file or directory); make it, or correct its name or rights"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_meant(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "aliases").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        naming_of(settings(tmp_path))
    assert said in str(caught.value)


def test_an_account_behind_an_alias_is_named(tmp_path: Path) -> None:
    (tmp_path / "aliases").write_text("info ann\n")
    all_of_it = settings(tmp_path)
    shadowed(all_of_it, naming_of(all_of_it), ["ann@example.org"])
    with pytest.raises(ConfigError, match=r"names.aliases: info@example.org is an alias, and an account as well"):
        shadowed(all_of_it, naming_of(all_of_it), ["ann@example.org", "info@example.org"])


def test_a_directory_that_hears_no_domain_has_one(tmp_path: Path) -> None:
    """Else ann@elsewhere were ann to it, and to us somebody without her authenticator."""
    file = tmp_path / "config.toml"
    for source in ("ldap", "backend"):
        for place in ("{local}", "{address}"):
            table = f'[identity.ldap]\nurl = "ldaps://d"\nsearch = {{ base = "dc=x", filter = "(uid={place})" }}\n'
            file.write_text(render({"identity.source": source}) + table)
            assert naming_of(config.load(file)).sole is (source == "ldap" and place == "{local}")


def test_the_stores_master_is_nobody_behind_a_template_either(tmp_path: Path) -> None:
    (tmp_path / "aliases").write_text("CORP\\* *@example.org\n")
    template = {"backend.imap.username": "CORP\\{local}", "backend.imap.master_user": "corp\\Gate"}
    naming = naming_of(settings(tmp_path, **template))
    assert naming.canonical("corp\\ann") == "ann@example.org"
    for name in ("gate", "GATE@example.org", "corp\\gate", "ann@elsewhere.example"):
        with pytest.raises(NameRefused):
            naming.canonical(name)
