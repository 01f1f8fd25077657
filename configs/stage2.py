"""Stage 2, the multimodal CNN: a few CT and hepatobiliary MRI sets, from the initial CNN's weights.

    python -m liver_jax.main --config=configs/stage2.py:demo --workdir=runs/mine/stage2 \
        --config.init.checkpoint=runs/mine/stage1

Paper, Training: 60 image sets, 30 2D SPGR (a subset of stage 1's, so that the network does not
forget), 10 contrast-enhanced CT and 20 T1-weighted hepatobiliary phase; so in both sizes.
`--config.init.checkpoint=none` trains the same data from random weights, `builtin` from those that
come along.
"""

import ml_collections

from configs import base


def get_config(size: str = "paper") -> ml_collections.ConfigDict:
    """Stage 2 at size `demo` or `paper`."""
    config = base.get_config(size)
    demo = size == "demo"
    config.data.train_subjects = "spgr2d=30,ct=10,hbp_t1w=20"
    # Shares of the batches, however many slices and echoes the examinations have. Most go to the
    # technique with the least contrast, which is also the one that must not be forgotten.
    config.data.weights = "spgr2d=3,ct=1,hbp_t1w=1"
    config.init.checkpoint = "runs/demo/stage1" if demo else "runs/stage1"
    config.optimizer.peak_learning_rate = 2e-3 if demo else 5e-4
    config.train.steps = 700 if demo else 10_000
    config.train.validate_every_steps = 350 if demo else 500
    config.train.checkpoint_every_steps = 175 if demo else 500
    return config
