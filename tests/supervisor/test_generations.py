"""From one generation to the next, with programs in its place that do what the test wants."""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from mailguard.net.activation import Handed
from mailguard.supervisor.generations import Generations
from mailguard.supervisor.handover import Predecessor
from mailguard.supervisor.notify import Notifier
from tests.e2e.daemon import eventually
from tests.e2e.programs import dead

PATIENCE = 30.0
BEGIN = """
import os, signal, socket, time
from mailguard.net.activation import listeners
from mailguard.supervisor.handover import Predecessor
"""
UP = (
    BEGIN
    + """
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
before = Predecessor.of(os.environ)
(handed,) = listeners([os.environ["DOOR"]], os.environ, os.getpid())
before.say_up()
signal.sigwait([signal.SIGHUP])
handed.sock.setblocking(True)
client, _ = handed.sock.accept()
client.sendall(handed.name.encode())
before.line.recv(1)
client.sendall(b" alone")
"""
)


@dataclass
class Scene:
    """This generation, and all that it does and says."""

    hearing: socket.socket
    door: socket.socket
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    retired: list[int] = field(default_factory=list)
    told: int = 0

    def make(self, predecessor: Predecessor | None = None) -> Generations:
        def tell() -> None:
            self.told += 1

        manager = Notifier("\0" + self.hearing.getsockname()[1:].decode(), 20.0)
        return Generations(
            [Handed(self.door, "doors")], manager, predecessor, self.selector, retire=self.retired.append, tell=tell
        )

    def turn(self) -> None:
        """One turn of the supervisor's loop, in which something has to happen."""
        events = self.selector.select(PATIENCE)
        assert events
        for key, _ in events:
            key.data()

    def heard(self) -> str:
        return self.hearing.recv(1000).decode()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with (
        socket.create_server(("127.0.0.1", 0)) as door,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing,
    ):
        hearing.bind(f"\0mailguard-{uuid4().hex}")
        hearing.settimeout(PATIENCE)
        monkeypatch.setenv("DOOR", f"127.0.0.1:{door.getsockname()[1]}")
        scene = Scene(hearing, door)
        yield scene
        scene.selector.close()


def following(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """What our command line is."""
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, "-c", program])


def started(caplog: pytest.LogCaptureFixture) -> int:
    """The process id of the next generation."""
    (pid,) = [record.__dict__["pid"] for record in caplog.records if record.msg == "handing over"]
    return int(pid)


def test_it_takes_the_sockets_and_is_told_of_what_was_reloaded_meanwhile(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    following(monkeypatch, UP)
    ours = scene.make()
    ours.hand_over(ending=False)
    assert scene.heard().startswith("RELOADING=1")
    ours.reloaded()
    scene.turn()
    pid = started(caplog)
    assert scene.retired == [pid]
    assert scene.heard().splitlines()[:2] == [f"MAINPID={pid}", "READY=1"]
    ours.notifier.alive()
    scene.hearing.setblocking(False)
    with pytest.raises(BlockingIOError):  # it is not ours to speak any more
        scene.heard()
    with socket.create_connection(scene.door.getsockname(), PATIENCE) as client:
        heard = b""
        while more := client.recv(100):
            heard += more
    assert heard == b"doors alone"
    assert ours.due is None


@pytest.mark.parametrize("program", ["raise SystemExit(1)", "import os; os.kill(os.getpid(), 9)", "this is no Python"])
def test_one_that_ends_before_it_is_up_changes_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, program: str
) -> None:
    caplog.set_level("INFO")
    following(monkeypatch, program)
    ours = scene.make()
    ours.hand_over(ending=False)
    scene.turn()
    assert (scene.retired, scene.told) == ([], 1)
    assert caplog.records[-1].msg == "hand-over failed, this generation goes on"
    assert scene.heard().startswith("RELOADING=1")
    ours.notifier.ready("still here")
    assert scene.heard().startswith("READY=1")


def test_one_that_takes_too_long_is_killed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    following(monkeypatch, "import time; time.sleep(600)")
    ours = scene.make()
    ours.hand_over(ending=False)
    ours.look()
    assert not dead(started(caplog)), "it has time left"
    ours.hand_over(ending=False)
    assert caplog.records[-1].__dict__["detail"] == "the hand-over before is not over"
    with monkeypatch.context() as clock:
        clock.setattr(time, "monotonic", lambda: float("inf"))
        ours.look()
    assert eventually(lambda: dead(started(caplog)), PATIENCE)
    assert (scene.retired, scene.told) == ([], 1)
    assert "was not up within 120 s" in caplog.records[-1].__dict__["detail"]


def test_told_to_end_it_ends_the_next_one_too(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    following(monkeypatch, "import time; time.sleep(600)")
    ours = scene.make()
    ours.hand_over(ending=False)
    ours.give_up()
    assert eventually(lambda: dead(started(caplog)), PATIENCE)
    assert ours.due is None


def test_where_this_one_ends_already_none_is_started(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    ours = scene.make()
    ours.hand_over(ending=True)
    assert caplog.records[-1].__dict__["detail"] == "this generation ends already"
    assert ours.due is None


def test_the_first_process_of_a_container_is_not_followed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    ours = scene.make()
    ours.hand_over(ending=False)
    assert caplog.records[-1].msg == "not handed over"
    assert caplog.records[-1].__dict__["detail"].startswith("the first process of a container cannot leave")
    assert ours.due is None


def test_it_is_silent_until_the_one_before_has_withdrawn(scene: Scene) -> None:
    line, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours = scene.make(Predecessor(other))
    with line:
        ours.notifier.ready("too early")
        ours.up()
        assert line.recv(10) == b"up"
        ours.hand_over(ending=False)  # refused: one after the other
        assert ours.due is None
    scene.turn()
    assert scene.told == 1
    ours.notifier.ready("alone")
    assert scene.heard() == "READY=1\nSTATUS=alone"
    ours.up()  # nobody is there to be told


def test_the_environment_forgets_the_one_before() -> None:
    line, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with line:
        environ = {"MAILGUARD_PREDECESSOR": str(other.detach())}
        before = Predecessor.of(environ)
        assert before is not None
        assert environ == {}
        assert not before.line.get_inheritable()
        before.line.close()
    assert Predecessor.of({}) is None
