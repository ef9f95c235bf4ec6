"""Sockets that a service manager hands over, in a process that really gets them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest

from mailguard.net.activation import OURS, Handed, listeners, told_of
from mailguard.net.listener import BindError
from tests.support.handing import handed

ASK = """
import json, os, sys
from mailguard.net.activation import listeners
from mailguard.net.listener import BindError
try:
    handed = listeners(sys.argv[1:], os.environ, os.getpid())
    socks = [each.sock for each in handed]
except BindError as error:
    sys.exit(str(error))
left = [name for name in os.environ if name.startswith("LISTEN_")]
told = [[s.getsockname()[:2], s.getsockopt(1, 30), s.getblocking(), s.get_inheritable()] for s in socks]
print(json.dumps([told, [s.fileno() for s in socks], left, [each.name for each in handed]]))
"""


def ask(socks: Sequence[socket.socket], *addresses: str, name: str = "doors") -> subprocess.CompletedProcess[str]:
    command = handed(socks, [sys.executable, "-c", ASK, *addresses], name=name)
    fds = [sock.fileno() for sock in socks]
    return subprocess.run(command, pass_fds=fds, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def door() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def test_a_handed_over_socket_is_taken_and_others_are_bound(door: socket.socket) -> None:
    port = door.getsockname()[1]
    done = ask([door], "127.0.0.1:0", f"127.0.0.1:{port}")
    assert done.returncode == 0, done.stderr
    told, descriptors, left, named = json.loads(done.stdout)
    (bound, *_), _ = told
    assert told[1] == [["127.0.0.1", port], 1, False, False]
    assert told[0] == [["127.0.0.1", bound[1]], 1, False, False]
    assert descriptors[1] == 3
    assert left == []
    assert named == ["mailguard", "doors"]


def test_an_address_is_known_however_it_is_written() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as sock:
        done = ask([sock], f"[0:0::1]:{sock.getsockname()[1]}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[1] == [3]


def test_a_socket_that_no_door_wants_is_refused_before_anything_is_bound(door: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = ask([door], f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"127.0.0.1:{door.getsockname()[1]}: handed over by the service manager")


def test_one_of_ours_that_no_door_wants_any_more_is_closed(door: socket.socket) -> None:
    done = ask([door], "127.0.0.1:0", name="mailguard")
    assert done.returncode == 0, done.stderr
    told, _, _, named = json.loads(done.stdout)
    assert (told[0][0] == list(door.getsockname()), named) == (False, ["mailguard"])


def test_what_is_handed_on_is_found_by_who_gets_it(door: socket.socket) -> None:
    told = told_of([Handed(door, OURS), Handed(door, "doors")], 4711)
    assert told == {"LISTEN_PID": "4711", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "mailguard:doors"}


def test_what_is_no_listening_socket_is_refused() -> None:
    with socket.socket() as mute, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        mute.bind(("127.0.0.1", 0))
        for sock in (mute, datagrams):
            done = ask([sock], "127.0.0.1:0")
            assert (done.returncode, "no listening TCP socket" in done.stderr) == (1, True), done.stderr
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as pipe:
        command = handed([], [sys.executable, "-c", ASK, "127.0.0.1:0"])
        command[3] = str(pipe.fileno())
        done = subprocess.run(
            command, pass_fds=[pipe.fileno()], capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, "no socket" in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize("whose", ["", "1", "nobody"])
def test_sockets_of_another_process_are_left_alone(whose: str) -> None:
    environ = {"LISTEN_PID": whose, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "doors"}
    (handed,) = listeners(["127.0.0.1:0"], environ, os.getpid())
    handed.sock.close()
    assert environ == {}


def test_an_address_that_is_none_is_told_as_ever() -> None:
    with pytest.raises(BindError, match="not an address to listen at"):
        listeners(["localhost:imaps"], {}, os.getpid())
