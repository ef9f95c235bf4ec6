"""TLS sessions that are gone on with, and when they are not."""

import ssl
from collections.abc import Callable, Iterator

import pytest

from mailguard.net.resumption import LONGEST, ResumingContext
from mailguard.net.tls import client_context, server_context
from tests.support.certs import Authority, Issued

NAME = "localhost"


class Clock:
    """Stands until it is set on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The client's."""
    return Clock()


@pytest.fixture
def client(authority: Authority, clock: Clock) -> ResumingContext:
    """Of one store."""
    context = ResumingContext(now=clock)
    context.load_verify_locations(authority.ca)
    return context


@pytest.fixture(params=["TLSv1.2", "TLSv1.3"])
def server(request: pytest.FixtureRequest, localhost: Issued) -> Callable[[], ssl.SSLContext]:
    """Makes servers, each with a secret of its own that its tickets are under."""

    def make() -> ssl.SSLContext:
        context = server_context(localhost.certificate, localhost.key, minimum="TLSv1.2")
        context.maximum_version = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}[request.param]
        return context

    return make


class Meeting:
    """A client's connection and its server, in memory."""

    def __init__(self, client: ResumingContext, server: ssl.SSLContext, name: str = NAME) -> None:
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(back, there, server_hostname=name)
        self.server = server.wrap_bio(there, back, server_side=True)

    def shake_hands(self) -> ssl.SSLObject:
        """To the server's first words; the client's side."""
        for _ in _until_done(self.client.do_handshake):
            next(_until_done(self.server.do_handshake), None)
        for _ in _until_done(self.server.do_handshake):
            pass
        self.server.write(b"ready")
        assert self.client.read() == b"ready"
        return self.client


def _until_done(step: Callable[[], None]) -> Iterator[None]:
    while True:
        try:
            step()
        except ssl.SSLWantReadError:
            yield
        else:
            return


def meet(client: ResumingContext, server: ssl.SSLContext) -> bool:
    """Whether a connection went on with an earlier session; its own is kept."""
    connection = Meeting(client, server).shake_hands()
    client.keep(connection)
    return bool(connection.session_reused)


def test_the_second_connection_goes_on_with_the_first_ones_session(
    client: ResumingContext, server: Callable[[], ssl.SSLContext]
) -> None:
    one = server()
    assert [meet(client, one) for _ in range(4)] == [False, True, True, True]


def test_a_whole_handshake_is_due_after_a_while(
    client: ResumingContext, server: Callable[[], ssl.SSLContext], clock: Clock
) -> None:
    one = server()
    meet(client, one)
    clock.now += LONGEST
    assert [meet(client, one) for _ in range(2)] == [False, True]


def test_what_is_kept_holds_for_one_name_alone(client: ResumingContext, server: Callable[[], ssl.SSLContext]) -> None:
    one = server()
    meet(client, one)
    with pytest.raises(ssl.SSLCertVerificationError):
        Meeting(client, one, "other.example.org").shake_hands()


def test_a_session_of_another_authority_is_not_offered(
    authority: Authority, client: ResumingContext, server: Callable[[], ssl.SSLContext]
) -> None:
    """A reload makes a new context: what the old one verified counts for nothing."""
    one = server()
    meet(client, one)
    assert not meet(client_context(authority.ca), one)


def test_after_a_refusal_nothing_is_offered_for_a_while(
    client: ResumingContext, server: Callable[[], ssl.SSLContext], clock: Clock
) -> None:
    """Stores with several processes, each with a secret of its own."""
    one, another = server(), server()
    meet(client, one)
    assert not meet(client, another)
    assert not meet(client, one)
    assert not meet(client, another)
    clock.now += LONGEST
    assert [meet(client, one) for _ in range(2)] == [False, True]


def test_connections_that_began_before_there_was_a_session_are_no_refusal(
    client: ResumingContext, server: Callable[[], ssl.SSLContext]
) -> None:
    one = server()
    both = [Meeting(client, one), Meeting(client, one)]
    for meeting in both:
        client.keep(meeting.shake_hands())
    assert meet(client, one)


def test_a_server_without_tickets_is_met_anew_each_time(
    client: ResumingContext, server: Callable[[], ssl.SSLContext]
) -> None:
    one = server()
    one.num_tickets = 0
    one.options |= ssl.OP_NO_TICKET
    assert not any(meet(client, one) for _ in range(3))
