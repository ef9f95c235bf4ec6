import pytest

from mailguard.backends.failure import FailureKind
from mailguard.backends.health import Health


def test_a_store_is_up_until_it_is_known_to_be_down() -> None:
    assert not Health().down(0.0)


@pytest.mark.parametrize("kind", [FailureKind.UNREACHABLE, FailureKind.TLS])
def test_a_store_that_did_not_greet_us_is_down_for_a_while(kind: FailureKind) -> None:
    health = Health(patience=10.0)
    health.failed(kind, 100.0)
    assert health.down(100.0)
    assert health.down(109.9)
    assert not health.down(110.0), "one login must be let through to find out"
    health.failed(kind, 110.0)
    assert health.down(110.0)


def test_a_leg_that_works_lifts_it() -> None:
    health = Health()
    health.failed(FailureKind.UNREACHABLE, 100.0)
    health.worked()
    assert not health.down(100.0)


@pytest.mark.parametrize("kind", [FailureKind.PROTOCOL, FailureKind.REFUSED, FailureKind.TEMPORARY, FailureKind.UNSAFE])
def test_trouble_of_one_login_says_nothing_about_the_next(kind: FailureKind) -> None:
    health = Health()
    health.failed(kind, 100.0)
    assert not health.down(100.0)
