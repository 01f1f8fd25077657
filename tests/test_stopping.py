import os
import signal

import pytest

from liver_jax.errors import Stopped
from liver_jax.stopping import StopRequest


@pytest.fixture
def stop():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    request = StopRequest("stopped")
    request.listen()
    yield request
    for number, handler in before.items():
        signal.signal(number, handler)


def terminate(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


def test_it_ends_the_work_and_nothing_takes_it_for_a_fault(stop):
    with pytest.raises(Stopped, match="stopped"):
        try:
            terminate()
        except Exception:
            pytest.fail("caught as a fault")
    assert stop.asked


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_was_lost_is_remembered(stop):
    class Deleted:
        def __del__(self):
            terminate()  # Python says "Exception ignored", and goes on

    stop.check()
    Deleted()
    with pytest.raises(Stopped):
        stop.check()


def test_where_it_is_deferred_both_signals_are_only_noted(stop):
    handler = signal.getsignal(signal.SIGINT)
    with stop.deferred():
        terminate()
        terminate(signal.SIGINT)
        assert stop.asked
    assert signal.getsignal(signal.SIGINT) is handler
    with pytest.raises(Stopped):
        terminate()


def test_it_is_taken_back_from_a_library(stop):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    terminate()
    assert not stop.asked
    stop.listen()
    with pytest.raises(Stopped):
        terminate()
