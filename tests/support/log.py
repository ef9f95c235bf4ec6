"""Logging as the guard starts it, into a buffer."""

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mailguard.config import LogFormat
from mailguard.observe import logs

Started = Callable[[LogFormat], io.StringIO]


@contextmanager
def logging_into_buffers() -> Iterator[Started]:
    """Starts logging into a buffer; what was there before comes back afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("mailguard")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    silenced = {name: logging.getLogger(name).disabled for name in logs.SILENCED}

    def start(form: LogFormat) -> io.StringIO:
        stream = io.StringIO()
        logs.start(form, stream)
        return stream

    yield start
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    for name, disabled in silenced.items():
        logging.getLogger(name).disabled = disabled
