"""The name given to the store: two accounts never make one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.auth.names import NameRefused, canonical
from mailguard.config import Username, Wrong
from mailguard.config.username import USERNAME


def read(raw: object) -> Username:
    return USERNAME.read(raw, Path())


@pytest.mark.parametrize(
    ("raw", "name", "hears_domain"),
    [
        ("address", "ann@example.org", True),
        ("{address}", "ann@example.org", True),
        ("local", "ann", False),
        ("CORP\\{local}", "CORP\\ann", False),
        ("{local}@corp.example", "ann@corp.example", False),
        ("{domain}/{local}", "example.org/ann", True),
        ("{local}@{domain}", "ann@example.org", True),
        ("mail/{address}", "mail/ann@example.org", True),
    ],
)
def test_a_template(raw: str, name: str, hears_domain: bool) -> None:
    assert read(raw).of("ann@example.org") == name
    assert read(raw).hears_domain is hears_domain
    assert read(USERNAME.write(read(raw))) == read(raw)


@pytest.mark.parametrize(
    "raw",
    [
        "", "ann", "{domain}", "{local}{local}", "{local}{address}", "{user}", "{local", "{{local}}", "%u{local}",
        "CORP\\{local}*gate", "a {local}", 'a"{local}', "{local}\n", "ä{local}", "{local}-{domain}",
        "{local}{domain}", "x" * 100 + "{local}", 5,
    ],
)  # fmt: skip
def test_what_might_mean_another_user_is_refused(raw: object) -> None:
    with pytest.raises(Wrong):
        read(raw)


TEMPLATES = st.sampled_from(
    ["address", "{domain}/{local}", "{local}\\{domain}", "{domain}:{local}", "x{local}@{domain}"]
)
NAMES = st.from_regex(r"[a-z{}.@#-]{1,12}", fullmatch=True)


@given(TEMPLATES, NAMES, NAMES)
def test_two_accounts_never_make_one_name(raw: str, one: str, two: str) -> None:
    try:
        first, second = canonical(one, "example.org"), canonical(two, "example.org")
    except NameRefused:
        return
    assert (read(raw).of(first) == read(raw).of(second)) is (first == second)
