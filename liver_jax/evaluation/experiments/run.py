"""All experiments that one evaluation can give: `experiments` in metrics.json.

The data-size ablation (experiment 3) needs many runs and is `evaluation.ablation`.
"""

from collections.abc import Sequence

from liver_jax.evaluation.experiments import (
    echoes,
    failure,
    fat,
    networks,
    outliers,
    repeatability,
    subgroups,
    volumes,
)


def run(
    rows: Sequence[dict],
    subgroup_columns: Sequence[str] = (),
    outlier_dice: float = outliers.DICE_THRESHOLD,
) -> dict:
    """Does every experiment on the rows of an evaluation.

    Args:
        rows: The rows of `cases[]`.
        subgroup_columns: Which columns to split by.
        outlier_dice: A Dice below it is an outlier.

    Returns:
        `echoes`, `networks`, `volumes`, `fat`, `outliers`, `repeatability`, `subgroups` and
        `failure`, each as its module says; made of what JSON has.

    Raises:
        InputError: There is no such column.
    """
    of_volumes, of_fat = volumes.run(rows), fat.run(rows)
    return {
        "echoes": echoes.run(rows),
        "networks": networks.run(rows),
        "volumes": of_volumes,
        "fat": of_fat,
        "outliers": outliers.run(rows, of_volumes, of_fat, outlier_dice),
        "repeatability": repeatability.run(rows),
        "subgroups": subgroups.run(rows, subgroup_columns),
        "failure": failure.run(rows),
    }
