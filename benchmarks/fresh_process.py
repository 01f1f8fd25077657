"""Work in a process of its own, for what it alone needs of memory."""

import json
import multiprocessing
import multiprocessing.connection
from collections.abc import Callable
from typing import Any


def in_a_process(measure: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What `measure` returns in a fresh process, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(measure, arguments, sender))
    process.start()
    sender.close()
    measured = json.loads(receiver.recv())
    process.join()
    return measured


def _send(
    measure: Callable[..., dict[str, Any]],
    arguments: tuple[Any, ...],
    sender: multiprocessing.connection.Connection,
) -> None:
    sender.send(json.dumps(measure(*arguments)))
