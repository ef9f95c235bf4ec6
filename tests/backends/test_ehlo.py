import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.backends.ehlo import announceable, missing, size

OFFER = {
    "PIPELINING": "", "SIZE": "1000", "8BITMIME": "", "CHUNKING": "", "BINARYMIME": "", "LIMITS": "RCPTMAX=100",
    "AUTH": "PLAIN", "STARTTLS": "", "XCLIENT": "NAME", "XFORWARD": "NAME", "ETRN": "", "BURL": "imap", "VRFY": "",
    "HELP": "", "CLIENTID": "", "X-UNKNOWN": "",
}  # fmt: skip


def test_only_what_lives_between_client_and_store_is_announced() -> None:
    told = {"PIPELINING", "SIZE 1000", "8BITMIME", "CHUNKING", "BINARYMIME", "LIMITS RCPTMAX=100"}
    assert announceable(OFFER) == told


def test_binarymime_goes_with_chunking() -> None:
    assert announceable({"BINARYMIME": "", "DSN": ""}) == {"DSN"}


@pytest.mark.parametrize(
    ("announced", "offered", "lost"),
    [
        ({"DSN"}, {"DSN": ""}, set()),
        ({"DSN"}, {}, {"DSN"}),
        ({"SIZE 5"}, {"SIZE": "5"}, set()),
        ({"SIZE 5"}, {"SIZE": "6"}, set()),
        ({"SIZE 5"}, {"SIZE": "4"}, {"SIZE"}),
        ({"SIZE 5"}, {"SIZE": ""}, set()),
        ({"SIZE 5"}, {"SIZE": "0"}, set()),
        ({"SIZE 5"}, {}, {"SIZE"}),
        ({"SIZE"}, {"SIZE": "5"}, {"SIZE"}),
        ({"SIZE 0"}, {"SIZE": ""}, set()),
        ({"LIMITS RCPTMAX=2"}, {"LIMITS": "RCPTMAX=1"}, set()),
    ],
)
def test_what_a_client_would_miss(announced: set[str], offered: dict[str, str], lost: set[str]) -> None:
    assert missing(frozenset(announced), offered) == lost


@pytest.mark.parametrize(
    ("lines", "limit"), [({"SIZE 5"}, 5), ({"SIZE 0"}, None), ({"SIZE"}, None), ({"DSN"}, None), ({"SIZE x"}, None)]
)
def test_the_limit_of_a_message(lines: set[str], limit: int | None) -> None:
    assert size(frozenset(lines)) == limit


_OFFERS = st.dictionaries(st.sampled_from(sorted(OFFER)), st.sampled_from(["", "0", "5", "7", "x", "9" * 30]))


@given(_OFFERS)
def test_a_store_misses_nothing_of_what_is_announced_for_it(offer: dict[str, str]) -> None:
    assert missing(announceable(offer), offer) == frozenset()
