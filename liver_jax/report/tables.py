"""All tables of an evaluation, ready for a paper: what each shows, and how it is printed."""

from collections.abc import Callable, Mapping, Sequence

from liver_jax.evaluation import summary
from liver_jax.evaluation.experiments import select
from liver_jax.report import wording
from liver_jax.report.table import Table

_UNDEFINED = "A dash: undefined."
_WHOLE = (select.POOLED, select.ALL_CONTRASTS)


def all(metrics: dict) -> list[Table]:
    """Every table that an evaluation can give.

    Args:
        metrics: As metrics.json holds them: `cases`, `summary`, `experiments`, `paper`.

    Returns:
        Those that have a line.
    """
    experiments = metrics["experiments"]
    fat = experiments["fat"]["groups"]
    tables = [
        cases(metrics["cases"]),
        measures(metrics["summary"]["groups"]),
        networks(experiments["networks"]["groups"], metrics["summary"]["groups"]),
        echoes(experiments["echoes"]["te"]),
        sequences(experiments["echoes"]["sequence"]),
        agreement("volume", "Liver volume (mL)", experiments["volumes"]["groups"], 0),
        *(
            agreement(name, title, [group for group in fat if group["region"] == region], 2)
            for name, title, region in (
                ("pdff", "Mean PDFF of the whole liver (%)", "whole_liver"),
                ("pdff_without_vessels", "Mean PDFF without vessels (%)", "without_vessels"),
            )
        ),
        outliers(experiments["outliers"]),
        repeatability(experiments["repeatability"]),
        subgroups(experiments["subgroups"]),
        failure(experiments["failure"]),
        paper(metrics["paper"]["figures"]),
    ]
    return [table for table in tables if table.lines]


def of_ablation(merged: dict) -> list[Table]:
    """The table of the data-size curves.

    Args:
        merged: What `ablation.merge` returns.
    """
    lines = [
        [
            wording.technique(point["technique"]),
            str(point["count"]),
            wording.mean_sd(point["mean"], point["sd_cases"]),
            wording.interval(point["interval_95"]),
            wording.number(point["sd_seeds"], 3),
            str(point["n_cases"]),
            str(point["n_seeds"] or wording.DASH),
            _published(point["published"]),
        ]
        for point in merged["points"]
    ]
    header = ["Technique", "Sets", "Dice", "95% interval", "SD of seeds", "Cases", "Seeds", "Paper"]
    caption = (
        "Dice against the number of sets of a technique in the second stage; 0 is the initial "
        "network. Mean ± SD over cases, interval by bootstrap over subjects, SD of the seeds' "
        f"means. Failed cases count as 0. {_UNDEFINED}"
    )
    dropped = {"dice", "seed_means"}
    records = [
        {key: value for key, value in point.items() if key not in dropped}
        for point in merged["points"]
    ]
    return [Table("ablation", caption, records, header, lines)]


def cases(rows: Sequence[dict]) -> Table:
    """Every case with all its figures."""
    columns: Sequence[tuple[str, Callable[[dict], str]]] = (
        ("Examination", lambda row: row["exam_id"]),
        ("Technique", lambda row: wording.technique(row["technique"])),
        ("Network", lambda row: wording.model(row["model"])),
        ("Echo", lambda row: str(row["echo"] or wording.DASH)),
        ("Dice", lambda row: wording.number(row["dice"], 3)),
        ("ASSD, mm", lambda row: wording.number(row["assd_mm"])),
        ("HD95, mm", lambda row: wording.number(row["hd95_mm"], 1)),
        ("Volume, mL", lambda row: _pair(row, "volume_ml", 0)),
        ("PDFF, %", lambda row: _pair(row, "pdff_percent", 1)),
        ("Flags", lambda row: ", ".join(flag.replace("_", " ") for flag in row["flags"])),
    )
    return _of_columns(
        "cases",
        f"All cases. Volume and PDFF: automated / manual. {_UNDEFINED}",
        rows,
        columns,
    )


def measures(groups: Sequence[dict]) -> Table:
    """Mean ± SD of each measure for each technique, echo and network."""
    shown = (
        ("Dice", "dice", 2),
        ("IoU", "iou", 2),
        ("RVD, %", "rvd_percent", 1),
        ("ASSD, mm", "assd_mm", 1),
        ("HD95, mm", "hd95_mm", 1),
        ("NSD at 3 mm", "nsd_3mm", 2),
    )
    header = ["Technique", "Echo", "Network", "n", *(name for name, _, _ in shown)]
    lines, records = [], []
    for group in groups:
        label = {key: group[key] for key in ("technique", "echo", "model")}
        found = group["measures"]
        records += [{**label, "measure": name, **figures} for name, figures in found.items()]
        cells = []
        for _, name, decimals in shown:
            kind = "all" if "mean_all" in found.get(name, {}) else "defined"
            mean, sd = (found.get(name, {}).get(f"{of}_{kind}") for of in ("mean", "sd"))
            n = found.get(name, {}).get(f"n_{kind}")
            fewer = "" if n in (None, group["n"]) else f" (n = {n})"
            cells.append(wording.mean_sd(mean, sd, decimals) + fewer)
        echo = str(group["echo"] or wording.DASH)
        names = [wording.technique(group["technique"]), echo, wording.model(group["model"])]
        lines.append([*names, str(group["n"]), *cells])
    caption = (
        "Mean ± SD for each technique and network. Failed cases count as Dice 0 and are left out "
        f"of the distances; distances are undefined where a mask is empty. {_UNDEFINED}"
    )
    return Table("measures", caption, records, header, lines)


def networks(groups: Sequence[dict], summaries: Sequence[dict]) -> Table:
    """Dice as the paper prints it: techniques across, networks, difference and P down."""
    first = {
        (group["technique"], group["model"]): group["measures"]["dice"]
        for group in summaries
        if group["echo"] in summary.FIRST_ECHO
    }
    techniques = wording.techniques({"technique": technique} for technique, _ in first)
    models = wording.models({"model": model} for _, model in first)
    header = ["Dice", *map(wording.technique, techniques)]
    lines = []
    for model in models:
        own = [first.get((technique, model)) for technique in techniques]
        cells = [
            wording.mean_sd(found["mean_all"], found["sd_all"]) if found else wording.DASH
            for found in own
        ]
        lines.append([wording.model(model), *cells])
        counts = [str(found["n_all"]) if found else wording.DASH for found in own]
        lines.append(["n", *counts])
    pooled = {
        group["technique"]: group
        for group in groups
        if (group["cohort"], group["contrast"]) == _WHOLE
    }
    if pooled:
        lines.append(["Difference", *_cells(techniques, pooled, _difference)])
        lines.append(
            [
                "95% interval",
                *_cells(
                    techniques,
                    pooled,
                    lambda group: wording.interval(group["paired"]["difference"]["interval_95"]),
                ),
            ]
        )
        lines.append(["P", *_cells(techniques, pooled, lambda group: _p(group["p_bonferroni"]))])
        lines.append(["d_z", *_cells(techniques, pooled, _effect)])
    records = groups or [
        {"technique": technique, "model": model, **found}
        for (technique, model), found in first.items()
    ]
    caption = (
        "Dice of each network on each technique (first echo), mean ± SD; multimodal minus initial "
        "on the same cases, its interval by bootstrap over subjects, P of the paired t test after "
        f"Bonferroni's correction, and Cohen's d_z. Failed cases count as 0. {_UNDEFINED}"
    )
    return Table("networks", caption, records, header, lines)


def echoes(groups: Sequence[dict]) -> Table:
    """Dice for each echo time, with the test of all of them."""
    lines, records = [], []
    for group in groups:
        label = {key: group[key] for key in ("technique", "model", "cohort")}
        tests = {name: group[name] for name in ("anova", "friedman", "best")}
        records += [{**label, **level, **tests} for level in group["levels"]]
        if group["cohort"] != select.POOLED:
            continue
        anova = group["anova"]
        for level in group["levels"]:
            lines.append(
                [
                    wording.technique(group["technique"]),
                    wording.model(group["model"]),
                    str(level["echo"]),
                    wording.DASH if level["te_ms"] is None else f"{level['te_ms']:g}",
                    wording.mean_sd(level["mean"], level["sd"]),
                    wording.interval(level["interval_95"]),
                    str(level["n_counted"]),
                    _p(anova["test"]["p"]),
                    _p(anova["greenhouse_geisser"]["p"]),
                    _p(group["friedman"]["test"]["p"]),
                ]
            )
    header = ["Technique", "Network", "Echo", "TE, ms", "Dice", "95% interval", "n"]
    header += ["P", "P (GG)", "P (Friedman)"]
    caption = (
        "Dice for each echo time, mean ± SD, interval by bootstrap over subjects. P: repeated "
        "one-way ANOVA over the echo times of a technique, without and with Greenhouse and "
        f"Geisser's correction, and Friedman's test. {_UNDEFINED}"
    )
    return Table("echoes", caption, records, header, lines)


def sequences(pairs: Sequence[dict]) -> Table:
    """One sequence against the other in the same subjects."""
    columns: Sequence[tuple[str, Callable[[dict], str]]] = (
        ("Sequences", lambda pair: " and ".join(map(wording.technique, pair["techniques"]))),
        ("Network", lambda pair: wording.model(pair["model"])),
        ("Cohort", lambda pair: wording.cohort(pair["cohort"])),
        ("Over", lambda pair: pair["over"].replace("_", " ")),
        ("Subjects", lambda pair: str(pair["n"])),
        ("Difference", lambda pair: _estimate(pair["paired"]["difference"], 3)),
        ("F", lambda pair: wording.number(pair["anova"]["test"]["statistic"])),
        ("P", lambda pair: _p(pair["anova"]["test"]["p"])),
        ("P (Wilcoxon)", lambda pair: _p(pair["paired"]["wilcoxon"]["p"])),
    )
    caption = (
        "Dice of the second minus that of the first sequence in subjects who have both, with its "
        f"95 % interval; P by repeated measures ANOVA and by Wilcoxon's test. {_UNDEFINED}"
    )
    return _of_columns("sequences", caption, pairs, columns)


def agreement(name: str, title: str, groups: Sequence[dict], decimals: int) -> Table:
    """Automated against manual measurements."""

    def spread(key: str) -> Callable[[dict], str]:
        def text(group: dict) -> str:
            found = group["agreement"][key]
            return wording.mean_sd(found["mean"], found["sd"], max(decimals - 1, 0))

        return text

    def fitted(group: dict, estimate: dict, digits: int) -> str:
        agreed = group["agreement"]
        return _estimate(estimate, digits, exact=agreed["n"] == agreed["n_subjects"])

    def limits(group: dict) -> str:
        ends = [group["agreement"][f"{side}_limit"]["value"] for side in ("lower", "upper")]
        return wording.DASH if None in ends else wording.interval(ends, decimals)

    columns: Sequence[tuple[str, Callable[[dict], str]]] = (
        ("Technique", lambda group: wording.technique(group["technique"])),
        ("Network", lambda group: wording.model(group["model"])),
        ("Cases", _which),
        ("n", lambda group: str(group["agreement"]["n"])),
        ("Manual", spread("manual")),
        ("Automated", spread("automated")),
        ("R²", lambda group: wording.number(group["agreement"]["r_squared"]["value"], 3)),
        ("Slope", lambda group: fitted(group, group["agreement"]["ols"]["slope"], 3)),
        ("Intercept", lambda group: fitted(group, group["agreement"]["ols"]["intercept"], 2)),
        ("Bias", lambda group: fitted(group, group["agreement"]["bias"], decimals)),
        ("P", lambda group: _p(group["agreement"]["bias_test"]["p"])),
        ("Limits", limits),
        ("CCC", lambda group: wording.number(group["agreement"]["ccc"]["value"], 3)),
    )
    caption = (
        f"{title}: automated against manual. Mean ± SD; ordinary least squares; bias with its t "
        "test; 95 % limits of agreement; Lin's concordance (CCC). In parentheses 95 % intervals, "
        "by Student's t where every subject has one case, else by bootstrap over subjects; the CSV "
        f"file has both, those of all figures, and more. {_UNDEFINED}"
    )
    return _of_columns(f"agreement_{name}", caption, groups, columns)


def outliers(found: dict) -> Table:
    """The cases that went wrong, worst first."""
    columns: Sequence[tuple[str, Callable[[dict], str]]] = (
        ("Examination", lambda case: case["exam_id"]),
        ("Technique", lambda case: wording.technique(case["technique"])),
        ("Network", lambda case: wording.model(case["model"])),
        ("Cohort", lambda case: wording.cohort(case["cohort"])),
        ("Dice", lambda case: wording.number(case["dice"])),
        ("Volume, mL", lambda case: wording.number(case["volume_ml_difference"], 0)),
        ("PDFF, points", lambda case: wording.number(case["pdff_percent_difference"], 1)),
        ("Why", lambda case: ", ".join(case["why"])),
        ("Flags", lambda case: ", ".join(flag.replace("_", " ") for flag in case["flags"])),
    )
    caption = (
        f"Outliers, worst first: failed, Dice below {found['dice_threshold']:g}, or volume or PDFF "
        f"(automated minus manual) beyond the limits of agreement. {_UNDEFINED}"
    )
    return _of_columns("outliers", caption, found["cases"], columns)


def repeatability(found: dict) -> Table:
    """How much a repeated measurement scatters."""
    groups = [
        {"between": name, **group}
        for name in ("sessions", "echoes")
        for group in found[f"between_{name}"]
    ]

    def of(key: str, decimals: int) -> Callable[[dict], str]:
        def text(group: dict) -> str:
            return _estimate(group[key], decimals, exact=True)

        return text

    columns: Sequence[tuple[str, Callable[[dict], str]]] = (
        ("Between", lambda group: group["between"]),
        ("Technique", lambda group: wording.technique(group["technique"])),
        ("Network", lambda group: wording.model(group["model"])),
        ("Cohort", lambda group: wording.cohort(group["cohort"])),
        ("Mask", lambda group: group["mask"]),
        ("Measure", lambda group: f"{group['measure'].replace('_', ' ')} ({group['unit']})"),
        ("n", lambda group: str(group["n"])),
        ("wSD", of("within_subject_sd", 2)),
        ("RC", of("repeatability_coefficient", 2)),
        ("wCV, %", lambda group: _estimate(group["within_subject_cv_percent"], 1)),
        ("ICC(1)", of("icc_1", 3)),
    )
    caption = (
        "Repeatability between sessions (scan and rescan) and between the echoes of one "
        "examination: within-subject SD, repeatability coefficient 2.77 wSD, within-subject "
        "coefficient of variation and intraclass correlation, with 95 % intervals (chi-square, F; "
        f"of the coefficient of variation by bootstrap). {_UNDEFINED}"
    )
    return _of_columns("repeatability", caption, groups, columns)


def subgroups(columns: Sequence[dict]) -> Table:
    """Each level's mean and the test between levels."""
    lines, records = [], []
    for column in columns:
        for group in column["groups"]:
            label = {key: group[key] for key in ("technique", "model", "measure")}
            label["column"] = column["column"]
            tests = {"tests": group["tests"], "p_holm": group["p_holm"]}
            decimals = 0 if group["measure"].startswith("volume") else 2
            for level in group["levels"]:
                records.append({**label, **level, **tests})
                lines.append(
                    [
                        column["column"].replace("_", " "),
                        level["level"],
                        wording.technique(group["technique"]),
                        wording.model(group["model"]),
                        group["measure"].replace("_", " "),
                        str(level["n_counted"]),
                        wording.mean_sd(level["mean"], level["sd"], decimals),
                        wording.interval(level["interval_95"], decimals),
                        _p(group["tests"]["welch"]["p"]),
                        _p(group["p_holm"]),
                    ]
                )
    header = ["Column", "Level", "Technique", "Network", "Measure", "n", "Mean ± SD"]
    header += ["95% interval", "P", "P (Holm)"]
    caption = (
        "Sub-groups: mean ± SD of Dice and of the differences (automated minus manual) in each "
        "level, interval by bootstrap over subjects, P of Welch's test between the levels, also "
        f"after Holm's correction over all tests of the column. {_UNDEFINED}"
    )
    return Table("subgroups", caption, records, header, lines)


def failure(found: dict) -> Table:
    """How well quality predicted without a reference ranks Dice."""
    threshold = f"{found['threshold_dice']:g}"
    lines, records = [], []
    for group in found["groups"]:
        model = "all" if group["model"] is None else wording.model(group["model"])
        label = {"model": group["model"], "cohorts": group["cohorts"]}
        kept = {key: value for key, value in group.items() if key not in ("signals",)}
        kept["risk_coverage"] = _without(group["risk_coverage"], "curve")
        kept["calibration"] = _without(group["calibration"], "bins")
        records.append({**label, "score": "predicted_dice", **kept})
        lines.append(
            [
                model,
                "predicted Dice",
                str(group["n_counted"]),
                str(group["n_bad"]),
                _estimate(group["spearman"], 2),
                _estimate(group["auroc"], 2),
            ]
        )
        for signal in group["signals"]:
            records.append({**label, "score": signal["name"], **_without(signal, "name")})
            name = signal["name"].replace("_", " ")
            cells = [_estimate(signal["spearman"], 2), _estimate(signal["auroc"], 2)]
            lines.append([model, name, str(signal["n"]), wording.DASH, *cells])
    header = ["Network", "Score", "n", f"Dice < {threshold}", "Spearman", "AUROC"]
    caption = (
        "Failure prediction without a reference: Spearman's correlation of each score with Dice, "
        f"and the area under the ROC curve for a Dice below {threshold}, with 95 % intervals by "
        f"bootstrap over subjects. {_UNDEFINED}"
    )
    return Table("failure", caption, records, header, lines)


def paper(figures: Sequence[dict]) -> Table:
    """The published figures with ours beside them."""

    def ours(figure: dict) -> str:
        return figure["ours"]["printed"].replace("+/-", "±") if figure["ours"] else wording.DASH

    columns: Sequence[tuple[str, Callable[[dict], str]]] = (
        ("Exp.", lambda figure: str(figure["experiment"])),
        ("Figure", lambda figure: figure["measure"].replace("_", " ")),
        ("Technique", lambda figure: wording.technique(figure["technique"] or wording.DASH)),
        ("Network", lambda figure: wording.model(figure["model"] or wording.DASH)),
        ("Sets", lambda figure: wording.DASH if figure["sets"] is None else str(figure["sets"])),
        ("Paper", lambda figure: figure["published"]["printed"].replace("+/-", "±")),
        ("Ours", ours),
        ("n", lambda figure: str(figure["ours"]["n"]) if figure["ours"] else wording.DASH),
        ("Difference", lambda figure: wording.number(figure["difference"])),
        ("95% interval", lambda figure: wording.interval(figure["interval_95"])),
        ("Margin", lambda figure: wording.number(figure["margin"])),
        ("Verdict", lambda figure: figure["verdict"] or wording.DASH),
    )
    caption = (
        "Published figures and ours. Difference: ours minus published (volumes in percent of the "
        "mean manual volume). Verdict: two one-sided tests at 5 % with the margin; a dash where "
        "no margin was set or there is no figure of ours."
    )
    return _of_columns("paper", caption, figures, columns)


def _of_columns(
    name: str,
    caption: str,
    records: Sequence[dict],
    columns: Sequence[tuple[str, Callable[[dict], str]]],
) -> Table:
    """A table whose lines are its records."""
    header = [heading for heading, _ in columns]
    lines = [[show(record) for _, show in columns] for record in records]
    return Table(name, caption, records, header, lines)


def _cells(
    techniques: Sequence[str], groups: Mapping[str, dict], show: Callable[[dict], str]
) -> list[str]:
    return [
        show(groups[technique]) if technique in groups else wording.DASH for technique in techniques
    ]


def _which(group: dict) -> str:
    """`pooled`, `internal`, `external, enhanced`."""
    cohort, contrast = wording.cohort(group["cohort"]), group["contrast"]
    return cohort if contrast == select.ALL_CONTRASTS else f"{cohort}, {contrast}"


def _difference(group: dict) -> str:
    paired = group["paired"]
    return wording.mean_sd(paired["difference"]["value"], paired["sd_difference"])


def _effect(group: dict) -> str:
    return wording.number(group["paired"]["cohens_d_z"]["value"])


def _estimate(estimate: dict, decimals: int, exact: bool = False) -> str:
    """`-58 (-74, -42)`: the bootstrap's interval, or the exact one."""
    text = wording.number(estimate["value"], decimals)
    ends = estimate["exact_interval_95" if exact else "interval_95"]
    return f"{text} ({wording.interval(ends, decimals)})" if ends else text


def _p(p: float | None) -> str:
    """`.23` or `< .001`."""
    return wording.DASH if p is None else wording.p_value(p).removeprefix("P ").removeprefix("= ")


def _pair(row: dict, measure: str, decimals: int) -> str:
    both = [row[f"{measure}_{mask}"] for mask in ("auto", "manual")]
    if both == [None, None]:
        return wording.DASH
    return " / ".join(wording.number(value, decimals) for value in both)


def _published(figure: dict | None) -> str:
    return wording.mean_sd(figure["mean"], figure["sd"]) if figure else wording.DASH


def _without(record: Mapping, *keys: str) -> dict:
    return {key: value for key, value in record.items() if key not in keys}
