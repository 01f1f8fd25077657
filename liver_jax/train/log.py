"""What a run writes while it trains: JSON lines, TensorBoard events, a progress bar."""

import json
import os
import pathlib
import time
from types import TracebackType
from typing import Any

import tqdm
from tensorboardX import event_file_writer, summary
from tensorboardX.proto import event_pb2

METRICS = "metrics.jsonl"


class RunLog:
    """The log of one run; on resume, what lies beyond the step resumed from is taken back.

    Of several processes one writes; the log of the others is silent.
    """

    def __init__(self, workdir: pathlib.Path, start: int, steps: int, writes: bool = True):
        """Opens the files.

        Args:
            workdir: The run folder.
            start: The step that the run starts from.
            steps: The step that it ends at, for the progress bar.
            writes: Whether this process is the one that writes.
        """
        self._writes = writes
        self._bar = tqdm.tqdm(
            total=steps,
            initial=start,
            desc=workdir.name,
            unit="step",
            mininterval=1.0,
            disable=not writes,
        )
        if not writes:
            return
        self._path = workdir / METRICS
        _keep_up_to(self._path, start)
        # Written by this thread, not by one of its own: a full disk must reach the program.
        (workdir / "tensorboard").mkdir(exist_ok=True)
        self._events = event_file_writer.EventsWriter(str(workdir / "tensorboard" / "events"))

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        if self._writes:
            self._events.close()

    def advance(self) -> None:
        """One step was dispatched."""
        self._bar.update()

    def write(self, step: int, values: dict[str, Any]) -> None:
        """One line of metrics: numbers, or dicts of numbers (one for each technique)."""
        if not self._writes:
            return
        try:
            self._append(step, values)
        except OSError as error:
            error.filename = error.filename or str(self._path)  # a full disk names no file
            raise
        shown = {name: value for name, value in values.items() if not isinstance(value, dict)}
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in list(shown.items())[:3]})

    def _append(self, step: int, values: dict[str, Any]) -> None:
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}, allow_nan=False) + "\n")
        for name, value in values.items():
            parts = value if isinstance(value, dict) else {"": value}
            for part, number in parts.items():
                scalar = summary.scalar(f"{name}/{part}" if part else name, number)
                event = event_pb2.Event(wall_time=time.time(), step=step, summary=scalar)
                self._events.write_event(event)
        self._events.flush()

    def say(self, text: str) -> None:
        """A line for people, above the bar."""
        if self._writes:
            self._bar.write(text)


def _keep_up_to(path: pathlib.Path, step: int) -> None:
    """Takes back the lines that a resumed run will write again (and a torn last line)."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError):
            break
    temporary = path.with_suffix(".partial")
    temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    os.replace(temporary, path)
