"""What a process and all that it started cost: CPU by the scheduler's own accounting, memory by its fair share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
NANO = 1e9


@dataclass(frozen=True, slots=True)
class Meter:
    """The tree below one process. A root of 0 is nobody: a target that has no proxy costs nothing."""

    root: int

    def pids(self) -> list[int]:
        """The root and all its descendants that are alive."""
        if not self.root:
            return []
        children: dict[int, list[int]] = {}
        for path in PROC.glob("[0-9]*/stat"):
            if text := _read(path):
                children.setdefault(int(text.rsplit(")", 1)[1].split()[1]), []).append(int(text.split(" ", 1)[0]))
        found, unseen = [], [self.root]
        while unseen:
            found.append(pid := unseen.pop())
            unseen += children.get(pid, [])
        return found

    def cpu(self) -> float:
        """Seconds that all their threads have run. What a process ran that is gone since is not in it: take it only
        over stretches in which none of them ends."""
        return sum(thread_seconds(pid) for pid in self.pids())

    def memory(self) -> float:
        """Octets of memory, what they share with others counted in parts (PSS)."""
        return sum(_rollup(pid, "Pss:") for pid in self.pids())

    def descriptors(self) -> int:
        """Open files and sockets."""
        return sum(len(_listing(PROC / str(pid) / "fd")) for pid in self.pids())

    def threads(self) -> int:
        """Threads that there are."""
        return sum(len(_listing(PROC / str(pid) / "task")) for pid in self.pids())


def thread_seconds(pid: int) -> float:
    """Seconds that the threads of one process have run: sleeping and waiting for a core do not count."""
    texts = [_read(path / "schedstat") for path in _listing(PROC / str(pid) / "task")]
    return sum(int(text.split()[0]) for text in texts if text) / NANO


def _rollup(pid: int, label: str) -> int:
    lines = _read(PROC / str(pid) / "smaps_rollup").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(label))


def _listing(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # it has ended meanwhile
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
