"""Data-size ablation: stage 2 with fewer CT or fewer hepatobiliary sets, the others unchanged.

    python -m liver_jax.main --config=configs/ablation.py:size=demo,ct=3,seed=1 \
        --workdir=runs/ablation/ct3_seed1

Paper, Experiments 3: 1 to 10 CT sets, 1 to 20 hepatobiliary sets; 0 sets of one technique is
stage 2 without it. The sets of one seed are nested; the seed changes which subjects they are, and
the randomness of training. `python launch/sweep.py` runs the whole curve.
"""

import ml_collections

from configs import stage2

_TECHNIQUES = {"ct": "ct", "hbp": "hbp_t1w"}


def get_config(arguments: str = "") -> ml_collections.ConfigDict:
    """Stage 2 with one count changed.

    Args:
        arguments: `key=value` pairs joined by commas: `ct=N` or `hbp=N`, and optionally `size` and
            `seed`.
    """
    given = dict(pair.split("=", 1) if "=" in pair else (pair, "") for pair in arguments.split(","))
    arms = [arm for arm in _TECHNIQUES if arm in given]
    unknown = sorted(set(given) - set(_TECHNIQUES) - {"size", "seed"})
    if unknown or len(arms) != 1:
        raise ValueError(
            f"{arguments!r}: give ct=N or hbp=N, and optionally size=demo|paper and seed=N"
        )
    config = stage2.get_config(given.get("size", "paper"))
    counts = dict(pair.split("=") for pair in config.data.train_subjects.split(","))
    technique, count = _TECHNIQUES[arms[0]], int(given[arms[0]])
    if not 0 <= count <= int(counts[technique]):
        raise ValueError(f"{arms[0]}={count} is not in 0 to {counts[technique]}")
    counts[technique] = count
    weights = dict(pair.split("=") for pair in config.data.weights.split(","))
    kept = [name for name in counts if int(counts[name]) > 0]
    config.data.train_subjects = ",".join(f"{name}={counts[name]}" for name in kept)
    config.data.weights = ",".join(f"{name}={weights[name]}" for name in kept)
    config.seed = config.data.subject_seed = int(given.get("seed", 0))
    return config
