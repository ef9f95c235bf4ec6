import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth.names import NameRefused, Naming, canonical

RESERVED = frozenset({"mailguard", "gate@example.org"})


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("alice", "alice@example.org"),
        ("ALICE@EXAMPLE.ORG", "alice@example.org"),
        ("ａｌｉｃｅ@example.org", "alice@example.org"),
        ("alice@Bücher.example", "alice@xn--bcher-kva.example"),
        ("alice@xn--bcher-kva.example", "alice@xn--bcher-kva.example"),
        ("o'neil+lists.x-y_z@example.org", "o'neil+lists.x-y_z@example.org"),
        ("Straße@example.org", "straße@example.org"),
        ("ﬁsh", "fish@example.org"),
    ],
)
def test_every_spelling_has_one_form(typed: str, name: str) -> None:
    assert canonical(typed, "example.org", RESERVED) == name


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "@example.org",
        "alice@",
        "alice@@example.org",
        "alice@b@example.org",
        "alice ",
        " alice",
        "al ice",
        "alice@example.org ",
        "victim*mailguard",
        "victim*mailguard@example.org",
        "EXAMPLE\\alice",
        "a/b",
        "a%b",
        "alice\x00",
        "alice\n",
        "alice\u202e",
        "alice\u00a0",
        "mailguard",
        "MAILGUARD@other.example",
        "gate",
        "gate@EXAMPLE.org",
        "alice@exam_ple.org",
        "alice@-x.org",
        "alice@" + "x" * 64 + ".org",
        "a" * 65,
        "ü" * 33,
        "a" * 300,
        "alice@[127.0.0.1]",
        "alice@bü cher.example",
        "\ufffd",
        "\ufe64x",
    ],
)
def test_what_a_store_might_rewrite_is_refused(typed: str) -> None:
    with pytest.raises(NameRefused):
        canonical(typed, "example.org", RESERVED)


def test_a_name_without_domain_needs_a_default() -> None:
    with pytest.raises(NameRefused, match="no domain"):
        canonical("alice", "")


def test_a_name_may_grow_too_long_by_its_domain() -> None:
    with pytest.raises(NameRefused, match="octets"):
        canonical("a" * 60, ".".join(["x" * 60] * 4))


def test_a_name_of_few_characters_may_have_too_many_octets() -> None:
    with pytest.raises(NameRefused, match="no host name"):
        canonical("a@" + "ü" * 240, "")


@given(st.text(max_size=40) | st.from_regex(r"[\w.+'-]{1,20}@[\w-]{1,10}\.[a-z]{2,4}", fullmatch=True))
def test_canonical_is_idempotent_and_folds_its_own_spellings(typed: str) -> None:
    try:
        name = canonical(typed, "example.org", RESERVED)
    except NameRefused:
        return
    assert canonical(name, "other.example", RESERVED) == name
    assert canonical(unicodedata.normalize("NFD", name), "example.org", RESERVED) == name
    assert name.partition("@")[0] not in RESERVED
    assert not set(name) & set('*/\\% \r\n\0"')


def test_a_store_that_is_not_told_the_domain_knows_one_domain() -> None:
    naming = Naming("Example.org", RESERVED, sole=True)
    assert naming.canonical("ALICE") == naming.canonical("alice@example.ORG") == "alice@example.org"
    with pytest.raises(NameRefused, match="another domain"):
        naming.canonical("alice@elsewhere.example")
    assert Naming("example.org", RESERVED).canonical("alice@elsewhere.example") == "alice@elsewhere.example"
