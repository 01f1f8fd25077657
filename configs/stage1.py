"""Stage 1, the initial CNN: multiecho 2D SPGR, each echo an independent input, from random weights.

    python -m liver_jax.main --config=configs/stage1.py:demo --workdir=runs/mine/stage1

Paper, Training: 300 examinations of 2D SPGR, one for each subject, all six echo times.
"""

import ml_collections

from configs import base


def get_config(size: str = "paper") -> ml_collections.ConfigDict:
    """Stage 1 at size `demo` or `paper`."""
    config = base.get_config(size)
    demo = size == "demo"
    config.data.train_subjects = "spgr2d=40" if demo else "spgr2d=300"
    config.train.steps = 1100 if demo else 20_000
    config.train.validate_every_steps = 550 if demo else 1_000
    config.train.checkpoint_every_steps = 200 if demo else 500
    return config
