"""The report of an evaluation as files: figures, tables, volume views, and the page."""

import pathlib

from liver_jax.report import figures, page, slices, table, tables


def publish(output: pathlib.Path, metrics: dict) -> pathlib.Path:
    """Writes `output`/report: figures/, tables/ and index.html; cases/ is there already.

    Args:
        output: The folder of the evaluation.
        metrics: What its metrics.json holds.

    Returns:
        The page.
    """
    folder = output / "report"
    key_slices = slices.loader(output)
    drawn, written = figures.all(metrics, key_slices), tables.all(metrics)
    if curves := metrics["experiments"]["ablation"]:
        drawn |= figures.of_ablation(curves)
        written += tables.of_ablation(curves)
    figures.write(drawn, folder / "figures")
    table.write(written, folder / "tables")
    return page.write(output, metrics, figures.svgs(drawn), key_slices)


def ablation(folder: pathlib.Path, curves: dict) -> None:
    """Writes the figures and tables of a data-size ablation into `folder`/report.

    Args:
        folder: Holds the runs.
        curves: As `evaluation.ablation.merge` returns it.
    """
    figures.write(figures.of_ablation(curves), folder / "report" / "figures")
    table.write(tables.of_ablation(curves), folder / "report" / "tables")
