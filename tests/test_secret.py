import pickle

import pytest

from mailguard.secret import Secret


def test_a_secret_shows_itself_to_nobody_who_did_not_ask() -> None:
    secret = Secret(b"hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret!s:>40}"
    assert secret.reveal() == b"hunter2"


def test_secrets_compare_by_value() -> None:
    assert Secret(b"a") == Secret(b"a")
    assert Secret(b"a") != Secret(b"b")
    assert Secret(b"a") != b"a"
    assert bool(Secret(b"a"))
    assert not Secret(b"")


def test_a_secret_is_no_key_and_no_pickle() -> None:
    with pytest.raises(TypeError):
        {Secret(b"a"): 1}
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(b"a"))
