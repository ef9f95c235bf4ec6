"""Fixtures that every test may use."""

import pytest

from tests.support.certs import Authority, Issued


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A throw-away CA."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def localhost(authority: Authority) -> Issued:
    """A certificate for localhost, 127.0.0.1 and mail.example.org, issued by `authority`."""
    return authority.issue("localhost", "mail.example.org", "127.0.0.1", "::1")
