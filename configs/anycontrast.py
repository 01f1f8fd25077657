r"""One network for any contrast: label maps, whose contrasts are drawn at random in every step.

    python -m liver_jax.prepare --cohort=anatomies --counts=procedural=240,real_shape=240 \
        --anatomies=LABEL_MAPS --output=data/anatomies
    python -m liver_jax.main --config=configs/anycontrast.py:demo --workdir=runs/anycontrast

No image is trained on. Validation subjects are the phantom's of every technique (the second
manifest), so that contrasts of another simulation choose the checkpoint.
"""

import ml_collections

from configs import base


def get_config(size: str = "paper") -> ml_collections.ConfigDict:
    """Training on label maps at size `demo` or `paper`."""
    config = base.get_config(size)
    demo = size == "demo"
    config.data.manifests = f"data/anatomies/manifest.csv,{config.data.manifests}"
    config.data.from_labels = True
    config.data.train_subjects = "procedural=240,real_shape=240"
    config.data.weights = "procedural=2,real_shape=3"
    config.data.validation = "spgr2d,ct,hbp_t1w"
    # Bowel and pelvis must be known as what is no liver.
    config.data.liver_fraction = 0.6
    # The contrast draws intensities; what is left to augmentation is the shape.
    for name in ("log_gain", "log_gamma", "log_bias", "noise"):
        config.augment[name] = 0.0
    config.augment.rotation_deg = 8.0
    config.augment.log_scale = 0.12
    config.augment.elastic_mm = 3.0
    config.optimizer.peak_learning_rate = 1.5e-3 if demo else 1e-3
    config.optimizer.ema_decay = 0.998 if demo else 0.999
    config.train.batch_size = 8 if demo else 16
    config.train.steps = 10_500 if demo else 60_000
    config.train.validate_every_steps = 500 if demo else 2_000
    config.train.checkpoint_every_steps = 250 if demo else 1_000
    return config
