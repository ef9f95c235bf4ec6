"""From one generation to the next: an upgrade during which no client is refused and no session is cut.

Once the next generation says that all of it is up, this one accepts nobody any more and drains. Whichever of the two is
killed meanwhile, the other one serves.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from typing import TYPE_CHECKING, Final

from mailguard.supervisor.handover import Said, Successor
from mailguard.supervisor.notify import Notifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailguard.net.activation import Handed
    from mailguard.supervisor.handover import Predecessor

log = logging.getLogger("mailguard.supervisor")

START_SECONDS: Final = 120.0  # a next generation that is not up by then is ended; the first look at a store takes 6
_SILENT: Final = Notifier("", None)


class Generations:
    """This generation between the one before and the one that follows. One of them at a time speaks for the service.

    `retire` is called with the process id of the one that has taken over, `tell` when it is our turn to speak.
    """

    def __init__(
        self,
        socks: Sequence[Handed],
        manager: Notifier,
        predecessor: Predecessor | None,
        selector: selectors.BaseSelector,
        *,
        retire: Callable[[int], None],
        tell: Callable[[], None],
    ) -> None:
        self._socks = socks
        self._manager = manager
        self._before = predecessor
        self._next: Successor | None = None
        self._next_by = 0.0
        self._behind = False  # the next one may have read what has been changed since
        self._retired = False
        self._selector = selector
        self._retire = retire
        self._tell = tell
        if predecessor is not None:
            selector.register(predecessor.line, selectors.EVENT_READ, self._alone)

    @property
    def notifier(self) -> Notifier:
        """Towards the service manager, where it is ours to speak."""
        return _SILENT if self._before is not None or self._retired else self._manager

    @property
    def due(self) -> float | None:
        """When `look` has something to do, on the monotonic clock."""
        return None if self._next is None else self._next_by

    def up(self) -> None:
        """All of this generation is up."""
        if self._before is not None:
            self._before.say_up()

    def reloaded(self) -> None:
        """What is configured has changed."""
        self._behind = True

    def hand_over(self, *, ending: bool) -> None:
        """Start the next generation, where that can be; what comes of it is heard later."""
        if refused := self._unfit(ending=ending):
            log.error("not handed over", extra={"detail": refused})
            return
        self.notifier.reloading()
        try:
            self._next = Successor.start(self._socks, {**os.environ, **self._manager.environment()})
        except OSError as error:
            self._go_on(str(error))
            return
        log.info("handing over", extra={"pid": self._next.pid})
        self._behind = False
        self._next_by = time.monotonic() + START_SECONDS
        self._selector.register(self._next.line, selectors.EVENT_READ, self._spoke)

    def look(self) -> None:
        """End one that takes too long."""
        if self._next is not None and time.monotonic() >= self._next_by:
            late = self._let_go()
            late.tell(signal.SIGKILL)
            late.line.close()
            self._go_on(f"process {late.pid} was not up within {START_SECONDS:.0f} s and is killed")

    def give_up(self) -> None:
        """This generation is told to end: so is one that was to follow it."""
        if self._next is not None:
            following = self._let_go()
            following.tell(signal.SIGTERM)
            following.line.close()

    def forget(self) -> None:
        """In a child: a line ends with the supervisors at its ends."""
        for kin in (self._before, self._next):
            if kin is not None:
                kin.line.close()

    def _unfit(self, *, ending: bool) -> str:
        if ending:
            return "this generation ends already"
        if self._next is not None or self._before is not None:
            return "the hand-over before is not over"
        if os.getpid() == 1:
            return "the first process of a container cannot leave, for it ends all others: restart the container"
        return ""

    def _spoke(self) -> None:
        if self._next is None:  # we were told to end in the same moment
            return
        said, following = self._next.heard(), self._let_go()
        match said:
            case Said.UP:
                self.notifier.succeeded(following.pid)
                self._retired = True
                if self._behind:
                    following.tell(signal.SIGHUP)
                self._retire(following.pid)
                following.line.close()  # from now on it speaks
            case Said.GONE:
                following.line.close()
                self._go_on(f"process {following.pid} ended before it was up; the lines before this one say why")

    def _let_go(self) -> Successor:
        assert self._next is not None
        following, self._next = self._next, None
        self._selector.unregister(following.line)
        return following

    def _go_on(self, why: str) -> None:
        log.error("hand-over failed, this generation goes on", extra={"detail": why})
        self._tell()

    def _alone(self) -> None:
        """The one before has withdrawn, or was killed."""
        assert self._before is not None
        self._selector.unregister(self._before.line)
        self._before.line.close()
        self._before = None
        self._tell()
