"""Further names of one account: a file that says what it means, and one step from a name to its account."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth import aliases
from mailguard.auth.aliases import AliasRefused
from mailguard.auth.names import Aliases, NameRefused, Naming, canonical

RESERVED = frozenset({"gate"})
FILE = """\
# alias                  account
info@example.org         Ann@Example.ORG   # reads it herself
sales                    bob

hash#tag                 ann
büro@bücher.example\tann@example.org
CORP\\ann.old            ann@example.org
CORP\\Straße             bob@example.org
Corp\\*                  *@Example.org
Lab-2\\*                 *@lab.example
"""


def read(text: str) -> Aliases:
    return aliases.read(text, partial(canonical, domain="example.org", reserved=RESERVED))


NAMING = Naming("example.org", RESERVED, aliases=read(FILE))


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("INFO@example.org", "ann@example.org"),
        ("info", "ann@example.org"),
        ("sales@EXAMPLE.org", "bob@example.org"),
        ("hash#tag", "ann@example.org"),
        ("BÜRO@bücher.example", "ann@example.org"),
        ("büro@xn--bcher-kva.example", "ann@example.org"),
        ("corp\\ANN.OLD", "ann@example.org"),
        ("CORP\\straße", "bob@example.org"),
        ("CORP\\strasse", "strasse@example.org"),
        ("CORP\\Ann", "ann@example.org"),
        ("ｃｏｒｐ＼ａｎｎ", "ann@example.org"),
        ("CORP\\info", "ann@example.org"),
        ("LAB-2\\ann", "ann@lab.example"),
        ("carol", "carol@example.org"),
    ],
)
def test_a_name_and_its_account(typed: str, name: str) -> None:
    assert NAMING.canonical(typed) == name
    assert NAMING.canonical(NAMING.canonical(typed)) == name


@pytest.mark.parametrize(
    "typed",
    [
        "OTHER\\ann", "\\ann", "CORP\\", "CORP\\ann\\bob", "CORP\\ann@example.org", "CORP\\*", "CORP\\gate",
        "corp\\a b", "corp/ann", "CORP\\" + "a" * 300, "corp\\ann\x00", "CORP\\@", "cörp\\ann",
    ],
)  # fmt: skip
def test_what_no_line_knows_is_refused(typed: str) -> None:
    with pytest.raises(NameRefused):
        NAMING.canonical(typed)


def test_without_a_file_a_windows_name_is_no_account_s() -> None:
    with pytest.raises(NameRefused, match="write the whole address"):
        Naming("example.org").canonical("CORP\\ann")


def test_an_alias_of_another_domain_leads_into_the_one_that_a_store_without_domains_has() -> None:
    sole = Naming("example.org", RESERVED, sole=True, aliases=read(FILE))
    assert sole.canonical("büro@bücher.example") == "ann@example.org"
    with pytest.raises(NameRefused, match="another domain"):
        sole.canonical("LAB-2\\ann")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("info", "holds 1 words; write an alias and its account"),
        ("info ann bob", "holds 3 words; write an alias and its account"),
        ("in*fo ann", 'in*fo is empty or holds one of " * / \\ % ( ) < > [ ] , : ; or a space or a control character; '
         "write the address of an account"),
        ("info gate@example.org", "gate@example.org is reserved for the mail store's own use; "
         "write the address of an account"),
        ("gate ann", "gate is reserved for the mail store's own use; write the address of an account"),
        ("CORP\\gate ann", "gate@x is reserved for the mail store's own use; write the address of an account"),
        ("\\ann ann", "\\ann names no Windows domain; write DOMAIN\\user or DOMAIN\\*"),
        ("CORP\\* ann@example.org", "every user of a Windows domain is not ann@example.org; write *@example.org"),
        ("CORP\\* *", "every user of a Windows domain is not *; write *@example.org"),
        ("CORP\\* *@exam_ple.org", "x@exam_ple.org has a domain that is no host name; write the address of an account"),
        ("ANN@example.org ann", "ann@example.org is the account itself; remove the line"),
        ("sales@example.org carol", "sales@example.org stands in line 1 already; remove one of them"),
        ("team info2\ninfo2 ann", "info2@example.org is an alias itself (line 4); write ann@example.org"),
        ("ann dora\ndora ann", "dora@example.org is an alias itself (line 4); write ann@example.org"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_meant_is_named(line: str, why: str) -> None:
    with pytest.raises(AliasRefused) as caught:
        read(f"sales bob\n\n{line}\n")
    assert str(caught.value) == f"line 3: {why}"


ADDRESS = st.sampled_from(["ann", "bob@example.org", "info", "sales@lab.example", "CORP\\ann", "CORP\\info", "CORP\\*",
                           "LAB\\*", "*@example.org", "*@lab.example", "büro", "Ann@EXAMPLE.org"])  # fmt: skip


@given(st.lists(st.tuples(ADDRESS, ADDRESS), max_size=6), ADDRESS | st.text(max_size=20))
def test_whatever_a_file_says_a_name_is_resolved_for_good(lines: list[tuple[str, str]], typed: str) -> None:
    try:
        naming = Naming("example.org", RESERVED, aliases=read("\n".join(" ".join(line) for line in lines)))
        name = naming.canonical(typed)
    except (AliasRefused, NameRefused):
        return
    assert naming.canonical(name) == name
    assert canonical(name, "") == name
