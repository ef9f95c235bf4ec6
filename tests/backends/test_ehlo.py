import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.backends.ehlo import announceable, common, missing, size

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
    assert common([frozenset({"BINARYMIME", "CHUNKING"}), frozenset({"BINARYMIME"})]) == frozenset()


@pytest.mark.parametrize(
    ("lists", "shared"),
    [
        ([], set()),
        ([{"DSN", "SIZE 5"}], {"DSN", "SIZE 5"}),
        ([{"DSN", "SIZE 5"}, {"SIZE 7", "8BITMIME"}], {"SIZE 5"}),
        ([{"SIZE 0"}, {"SIZE 7"}], {"SIZE 7"}),
        ([{"SIZE"}, {"SIZE 0"}], {"SIZE"}),
        ([{"SIZE 5"}, {"DSN"}], set()),
        ([{"LIMITS RCPTMAX=1"}, {"LIMITS RCPTMAX=2"}], set()),
    ],
)
def test_what_several_stores_share(lists: list[set[str]], shared: set[str]) -> None:
    assert common([frozenset(lines) for lines in lists]) == shared


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


@given(st.lists(_OFFERS, min_size=1, max_size=4))
def test_no_store_behind_a_door_offers_less_than_the_door(offers: list[dict[str, str]]) -> None:
    told = common([announceable(offer) for offer in offers])
    for offer in offers:
        assert missing(told, offer) == frozenset()
