"""The log of a run that is resumed."""

import json

from liver_jax.train import log


def test_what_a_resumed_run_writes_again_is_taken_back(tmp_path):
    path = tmp_path / log.METRICS
    lines = [json.dumps({"step": step, "loss": 1.0 / step}) for step in (2, 4, 6)]
    # Killed in the middle of a line.
    path.write_text("\n".join(lines) + '\n{"step": 8, "lo')
    with log.RunLog(tmp_path, 4, 10) as run:
        run.write(6, {"loss": 0.5, "validation": {"ct": 0.9}})
    steps = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in steps] == [2, 4, 6]
    assert steps[-1] == {"step": 6, "loss": 0.5, "validation": {"ct": 0.9}}
    assert list((tmp_path / "tensorboard").iterdir())
