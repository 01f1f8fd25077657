"""Being asked to stop: SIGTERM from a scheduler, Ctrl-C from a keyboard."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from liver_jax.errors import Stopped


class StopRequest:
    """Notes a request; raises `Stopped` at once, or leaves it to work that looks at `asked`."""

    def __init__(self, line: str):
        """Nothing is noted before `listen`.

        Args:
            line: What `Stopped` tells people, where the work may end at any moment.
        """
        self.asked = False
        self._line, self._deferred = line, False

    def listen(self) -> None:
        """Takes SIGTERM from whoever has it: some libraries take it for themselves."""
        signal.signal(signal.SIGTERM, self._note)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Within, SIGTERM and SIGINT only set `asked`."""
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        self._deferred = True
        for number in before:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            self._deferred = False
            for number, handler in before.items():
                # None: of a handler that is not Python's.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def check(self) -> None:
        """Raises `Stopped` if it was asked for.

        What a signal's handler raises is lost where Python cannot pass it on: in the callback of a
        library, or while an object is being deleted. So work of many parts asks between them.
        """
        if self.asked:
            raise Stopped(self._line)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True
        if not self._deferred:
            self.check()
