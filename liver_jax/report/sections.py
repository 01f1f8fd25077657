"""The parts of the report's page that are words and tables: results, comparison, run record."""

import json

from liver_jax.report import claim, wording
from liver_jax.report.markup import Markup, details, paragraph, table, text

_VERDICTS = {
    "equivalent": ("good", "equivalent"),
    "different": ("bad", "different"),
    "inconclusive": ("quiet", "inconclusive"),
}
_EXPERIMENTS = {
    1: "Echo and sequence robustness",
    2: "Initial against multimodal network",
    3: "Data-size ablation",
    4: "Volumetry",
    5: "Fat fraction",
}
_NO_CASES = "No case of this evaluation belongs here."


def is_phantom(metrics: dict) -> bool | None:
    """Whether all data are phantoms (True), some (None) or none (False)."""
    kinds = [bool(item.get("phantom")) for item in metrics["provenance"]["manifests"]]
    if kinds and all(kinds):
        return True
    return None if any(kinds) else False


def opening(metrics: dict) -> Markup:
    """What was evaluated, and a plain word where the data are phantoms."""
    rows = metrics["cases"]
    exams = len({row["exam_id"] for row in rows})
    subjects = len({row["subject_id"] for row in rows})
    models = ", ".join(wording.model(name) for name in wording.models(rows))
    techniques = ", ".join(wording.technique(name) for name in wording.techniques(rows))
    statuses = [row["status"] for row in rows]
    content = paragraph(
        f"{exams} examinations of {subjects} subjects ({techniques}); {models}; {len(rows)} cases, "
        f"{statuses.count('empty')} with an empty mask, {statuses.count('failed')} failed.",
        "lead",
    )
    phantom = is_phantom(metrics)
    if phantom or phantom is None:
        which = "All" if phantom else "Some"
        content += Markup(
            f'<p class="banner" role="note"><strong>{which} data are phantoms.</strong> Simulated '
            "examinations, no patients: the figures show that the method works as intended, not "
            "how well it does on people. The published figures beside them are of patients.</p>\n"
        )
    return Markup(content)


def dice(metrics: dict) -> Markup:
    """Dice on the first echo for each technique and model, the paper's beside it."""
    groups = [group for group in metrics["summary"]["groups"] if group["echo"] in (None, 1)]
    rows = []
    for group in groups:
        found = group["measures"]["dice"]
        published = paper_dice(metrics, group["technique"], group["model"])
        rows.append(
            [
                wording.technique(group["technique"]),
                wording.model(group["model"]),
                Markup(
                    f"<strong>{wording.mean_sd(found['mean_all'], found['sd_all'], 3)}</strong>"
                ),
                wording.interval(found["interval_95_all"], 3),
                found["n_all"],
                found["n_undefined"],
                found["n_failed"],
                published or wording.DASH,
            ]
        )
    heads = ["Technique", "Model", "Dice, mean ± SD", "95 % interval", "n", "Undefined", "Failed"]
    note = (
        "First echo of multiecho examinations. A failed case counts as Dice 0; a case whose masks "
        "are both empty has no Dice and is counted as undefined. Intervals: "
        f"{metrics['summary']['interval_method']}."
    )
    return Markup(table([*heads, "Paper"], rows, 2) + paragraph(note, "quiet note"))


def paper_dice(metrics: dict, technique: str, model: str) -> str | None:
    """The published mean and SD of Dice of a technique and model, as the paper prints it."""
    for figure in (metrics.get("paper") or {}).get("figures", []):
        key = (figure["experiment"], figure["measure"], figure["technique"], figure["model"])
        if key == (2, "dice", technique, model):
            return figure["published"]["printed"].replace("+/-", "±")
    return None


def beside_paper(metrics: dict) -> Markup:
    """Every published figure with ours beside it, by experiment."""
    compared = metrics.get("paper") or {}
    if not compared.get("figures"):
        return paragraph("There is nothing to compare.", "quiet")
    margins = compared["margins"]
    counts = compared.get("verdicts", {})
    words = (
        "Equivalent: the 90 % interval of the difference lies within the margin, fixed before any "
        f"result: Dice {margins['dice']:g}, volume {margins['volume_percent']:g} % of the mean "
        f"manual volume, fat fraction {margins['pdff_points']:g} percentage points. Different: it "
        "lies wholly outside. Inconclusive: neither. Differences are ours minus published."
    )
    found = ", ".join(
        f"{counts[name]} {name}"
        for name in ("equivalent", "inconclusive", "different")
        if counts.get(name)
    )
    content = paragraph(words) + (paragraph(f"Verdicts: {found}.") if found else "")
    for experiment, title in _EXPERIMENTS.items():
        figures = [item for item in compared["figures"] if item["experiment"] == experiment]
        with_ours = [item for item in figures if item["ours"]]
        if not with_ours:
            reason = next((item["reason"] for item in figures if item["reason"]), "no case")
            content += paragraph(f"{experiment}. {title}: {reason}.", "quiet")
            continue
        heads = ["Figure", "Technique", "Model", "Paper", "Ours", "n", "Difference"]
        heads += ["95 % interval", "Margin", "Verdict"]
        body = table(heads, [_compared(item) for item in with_ours], 3)
        absent = len(figures) - len(with_ours)
        if absent:
            body += paragraph(f"{absent} published figures have no counterpart here.", "quiet")
        heading = f"{experiment}. {title}"
        content += details(heading, body, is_open=experiment == 2)
    return Markup(content + paragraph(f"Published: {compared['source']}.", "quiet note"))


def _compared(item: dict) -> list[object]:
    verdict = item["verdict"]
    if verdict in _VERDICTS:
        kind, word = _VERDICTS[verdict]
        shown: object = Markup(f'<span class="verdict {kind}">{word}</span>')
    else:
        shown = Markup(f'<span class="quiet">{text(item["reason"] or wording.DASH)}</span>')
    name = _figure_name(item["measure"])
    if item["sets"] is not None:
        name += f", {item['sets']} sets"
    decimals = 3 if item["unit"] == "" else 2
    unit = f" ({item['unit']})" if item["unit"] and item["difference"] is not None else ""
    return [
        name + unit,
        wording.technique(item["technique"]) if item["technique"] else "several",
        wording.model(item["model"]) if item["model"] else wording.DASH,
        _printed(item["published"]["printed"]),
        _printed(item["ours"]["printed"]),
        item["ours"]["n"],
        wording.number(item["difference"], decimals),
        wording.interval(item["interval_95"], decimals),
        wording.DASH if item["margin"] is None else f"{item['margin']:g}",
        shown,
    ]


def _figure_name(measure: str) -> str:
    """`volume_bias_p` as `Volume bias, P`."""
    words = measure.removeprefix("te_")
    words = f"echo_time_{words}" if words != measure else measure
    for ending, symbol in (("_p", "P"), ("_f", "F"), ("_r", "R"), ("_r_squared", "R²")):
        if words.endswith(ending):
            words = f"{words.removesuffix(ending)}, {symbol}"
            break
    words = words.replace("_", " ").replace("pdff", "PDFF")
    return words[0].upper() + words[1:]


def _printed(words: str) -> str:
    return words.replace("+/-", "±").replace("-", wording.MINUS)


def echoes(metrics: dict) -> Markup:
    """Experiment 1: the tests of echo time and sequence."""
    found = metrics["experiments"].get("echoes") or {}
    tests = found.get("te") or []
    if not tests:
        return _nothing(found)
    rows = []
    for group in tests:
        if group["cohort"] != "pooled":
            continue
        anova, friedman, best = group["anova"], group["friedman"], group["best"]
        rows.append(
            [
                wording.technique(group["technique"]),
                wording.model(group["model"]),
                group["n_complete"],
                group["n_subjects"],
                _test(anova["test"]),
                wording.number(anova["epsilon_greenhouse_geisser"], 2),
                _p(anova["greenhouse_geisser"]),
                _p(anova["huynh_feldt"]),
                _p(friedman["test"]),
                _best(best),
            ]
        )
    heads = ["Technique", "Model", "n", "Subjects", "F, uncorrected", "ε (GG)", "P (GG)", "P (HF)"]
    content = table(
        [*heads, "P (Friedman)", "Best echo"],
        rows,
        2,
        "Effect of echo time on Dice: repeated-measures analysis of variance",
    )
    pairs = [pair for pair in found.get("sequence") or [] if pair["cohort"] == "pooled"]
    if pairs:
        rows = [
            [
                " against ".join(wording.technique(name) for name in pair["techniques"]),
                str(pair["over"]).replace("_", " "),
                wording.model(pair["model"]),
                pair["n"],
                _estimate(pair["paired"]["difference"], 3),
                _test(pair["anova"]["test"]),
                _p(pair["paired"]["wilcoxon"]),
            ]
            for pair in pairs
        ]
        heads = ["Sequences", "Over", "Model", "Subjects", "Difference (95 % interval)"]
        content += table([*heads, "F", "P (Wilcoxon)"], rows, 3, "Effect of sequence on Dice")
    return Markup(content)


def _best(best: dict | None) -> str:
    if not best:
        return wording.DASH
    time = f" ({best['te_ms']:g} ms)" if best.get("te_ms") is not None else ""
    share = best.get("resamples_share")
    often = f", best in {100 * share:.0f} % of resamples" if share is not None else ""
    return f"{best['echo']}{time}{often}"


def networks(metrics: dict) -> Markup:
    """Experiment 2: paired comparison of both networks."""
    found = metrics["experiments"].get("networks") or {}
    groups = found.get("groups") or []
    if not groups:
        return _nothing(found)
    rows = []
    for group in groups:
        paired = group["paired"]
        rows.append(
            [
                _population(group),
                paired["n"],
                group["n_undefined"],
                wording.mean_sd(group["initial"]["mean"], group["initial"]["sd"], 3),
                wording.mean_sd(group["multimodal"]["mean"], group["multimodal"]["sd"], 3),
                _estimate(paired["difference"], 3),
                _short_p(group["p_bonferroni"]),
                _p(paired["wilcoxon"]),
                _estimate(paired["cohens_d_z"], 2),
            ]
        )
    heads = ["Cases", "n", "Undefined", "Initial", "Multimodal", "Difference (95 % interval)"]
    heads += ["P (t, Bonferroni)", "P (Wilcoxon)", "d_z (95 % interval)"]
    return table(heads, rows, 1, "Dice, first echo")


def agreement(metrics: dict, experiment: str) -> Markup:
    """Experiments 4 and 5: agreement of volumes or fat fractions."""
    found = metrics["experiments"].get(experiment) or {}
    groups = found.get("groups") or []
    if not groups:
        return _nothing(found)
    decimals = 0 if experiment == "volumes" else 2
    unit = found.get("unit", "")
    rows, small = [], []
    for group in groups:
        agreed = group["agreement"]
        if agreed is None:
            continue
        row = [
            _population(group),
            wording.model(group["model"]),
            agreed["n"],
            _estimate(agreed["r_squared"], 3),
            _estimate(agreed["ols"]["slope"], 3),
            _estimate(agreed["ols"]["intercept"], decimals + 1),
            _estimate(agreed["bias"], decimals + 1),
            _p(agreed["bias_test"]),
            _estimate(agreed["lower_limit"], decimals, exact=True),
            _estimate(agreed["upper_limit"], decimals, exact=True),
            wording.number(agreed["icc_a1"]["value"], 3),
            wording.number(agreed["ccc"]["value"], 3),
            _with_percent(agreed, decimals + 1, experiment == "volumes"),
        ]
        pooled = group["cohort"] == "pooled" and group["contrast"] == "all"
        (rows if pooled else small).append(row)
    heads = ["Cases", "Model", "n", "R²", "Slope", "Intercept", "Bias", "P"]
    heads += ["Lower limit", "Upper limit", "ICC(A,1)", "CCC", "Mean abs. error"]
    content = table(heads, rows, 2)
    if small:
        content += details(
            "By cohort and contrast",
            table(heads, small, 2),
        )
    note = (
        f"Automated minus manual, in {unit}. Intervals in brackets: 95 %, by bootstrap over "
        "subjects; those of the limits of agreement are exact. metrics.json holds Deming "
        "regression, proportional bias, and both kinds of interval for every figure."
    )
    return Markup(content + paragraph(note, "quiet note"))


def _with_percent(agreed: dict, decimals: int, percent: bool) -> str:
    words = wording.number(agreed["mean_absolute_error"]["value"], decimals)
    share = agreed["mean_absolute_error_percent"]["value"]
    return f"{words} ({share:.1f} %)" if percent and share is not None else words


def repeatability(metrics: dict) -> Markup:
    """Scan and rescan, and from echo to echo."""
    found = metrics["experiments"].get("repeatability") or {}
    content = ""
    titles = (
        ("between_sessions", "Between sessions"),
        ("between_echoes", "Between the echoes of an examination"),
    )
    for key, title in titles:
        groups = [
            group
            for group in found.get(key) or []
            if group["cohort"] == "pooled" and group.get("mask") != "manual"
        ]
        if not groups:
            continue
        rows = []
        for group in groups:
            decimals = 1 if group["unit"] == "mL" else 2
            rows.append(
                [
                    wording.technique(group["technique"]),
                    wording.model(group["model"]),
                    _repeated(group),
                    group["n_units"],
                    group["n"],
                    _estimate(group["within_subject_sd"], decimals),
                    _estimate(group["repeatability_coefficient"], decimals, exact=True),
                    wording.number((group["within_subject_cv_percent"] or {}).get("value"), 1),
                    wording.number((group["icc_1"] or {}).get("value"), 3),
                ]
            )
        heads = ["Technique", "Model", "Measure", "Units", "n", "Within-subject SD"]
        heads += ["Repeatability coefficient", "CV (%)", "ICC(1)"]
        content += table(heads, rows, 3, title)
    return Markup(content) or _nothing(found)


def _repeated(group: dict) -> str:
    name = "Volume" if group["measure"].startswith("volume") else "PDFF"
    if group["measure"].endswith("without_vessels"):
        name += " without vessels"
    return f"{name} ({group['unit']})"


def subgroups(metrics: dict) -> Markup:
    """Sub-groups: each level's Dice, and the tests between levels and of interaction."""
    found = metrics["experiments"].get("subgroups") or []
    if not found:
        return paragraph(_NO_CASES, "quiet")
    content = ""
    for group in found:
        rows = []
        for item in group["groups"]:
            if item["measure"] != "dice":
                continue
            for level in item["levels"]:
                rows.append(
                    [
                        str(level["level"]),
                        wording.technique(item["technique"]),
                        wording.model(item["model"]),
                        level["n"],
                        wording.mean_sd(level["mean"], level["sd"], 3),
                        wording.interval(level["interval_95"], 3),
                        _p(item["tests"]["welch"]),
                        _short_p(item.get("p_holm")),
                    ]
                )
        if not rows:
            continue
        heads = ["Level", "Technique", "Model", "n", "Dice, mean ± SD", "95 % interval"]
        name = str(group["column"]).removesuffix("_t").replace("_", " ")
        content += details(
            f"{name[0].upper()}{name[1:]}: {', '.join(map(str, group['levels']))}",
            table([*heads, "P (Welch)", "P (Holm)"], rows, 3),
        )
    return Markup(content) or paragraph(_NO_CASES, "quiet")


def claim_list(metrics: dict) -> Markup:
    """The CLAIM checklist."""
    found = claim.items(metrics)
    answered = sum(item.answer is not None for item in found)
    rows = [
        [
            item.number,
            item.part,
            item.topic,
            item.answer if item.answer else Markup('<span class="blank">for the author</span>'),
        ]
        for item in found
    ]
    words = (
        f"{answered} of {len(found)} items can be answered, in full or in part, by what the run "
        f"knows; the others only by the author. Topics in our words, numbers of {claim.SOURCE}."
    )
    return Markup(
        paragraph(words) + table(["Item", "Part", "Topic", "What the run knows"], rows, 9)
    )


def run_record(metrics: dict) -> Markup:
    """Everything that says how the figures were made."""
    record = metrics["provenance"]
    rows: list[list[object]] = [
        ["Command", Markup(f"<code>{text(record.get('command'))}</code>")],
        ["Finished (UTC)", record.get("finished_utc")],
        ["Device", record.get("device")],
        ["Versions", ", ".join(f"{k} {v}" for k, v in record.get("versions", {}).items())],
        ["Schema of metrics.json", metrics.get("schema_version")],
    ]
    for item in record.get("manifests", []):
        kind = " (phantom)" if item.get("phantom") else ""
        code = f"<code>{text(item['path'])}</code>{kind}<br><code>{text(item['sha256'])}</code>"
        rows.append(["Manifest, SHA-256", Markup(code)])
    if record.get("predictions"):
        rows.append(["Masks from", Markup(f"<code>{text(record['predictions'])}</code>")])
    for model, network in (record.get("checkpoints") or {}).items():
        short = {key: value for key, value in network.items() if not isinstance(value, dict)}
        words = "<br>".join(
            f"{text(key)}: <code>{text(value)}</code>" for key, value in short.items()
        )
        rows.append([f"Checkpoint, {wording.model(model)}", Markup(words)])
    content = table(["What", "Value"], [row for row in rows if row[1]], 9)
    for model, network in (record.get("checkpoints") or {}).items():
        for key in ("config", "training"):
            if network.get(key):
                lines = json.dumps(network[key], indent=1, sort_keys=True, default=str)
                content += details(
                    f"{key.capitalize()}, {wording.model(model)}", f"<pre>{text(lines)}</pre>"
                )
    return Markup(content)


def _nothing(found: dict) -> Markup:
    reason = found.get("reason") or _NO_CASES.rstrip(".")
    return paragraph(f"{reason[0].upper()}{reason[1:]}.", "quiet")


def _population(group: dict) -> str:
    words = [wording.technique(group["technique"])]
    if group.get("region") == "without_vessels":
        words.append("vessels excluded")
    if group["cohort"] != "pooled":
        words.append(group["cohort"])
    if group["contrast"] != "all":
        words.append(group["contrast"])
    return ", ".join(words)


def _estimate(estimate: dict | None, decimals: int, exact: bool = False) -> Markup:
    """A value with its interval on a second line."""
    if not estimate or estimate["value"] is None:
        return Markup(wording.DASH)
    ends = estimate["exact_interval_95"] if exact else estimate["interval_95"]
    number = wording.number(estimate["value"], decimals)
    if ends is None:
        return Markup(number)
    return Markup(f'{number}<span class="interval">({wording.interval(ends, decimals)})</span>')


def _test(test: dict | None) -> str:
    if not test or test["p"] is None:
        return wording.DASH
    df = ", ".join(f"{value:.4g}" for value in test["df"])
    return f"{test['statistic']:.2f} ({df}), {wording.p_value(test['p'])}"


def _p(test: dict | None) -> str:
    return _short_p(test["p"] if test else None)


def _short_p(p: float | None) -> str:
    if p is None:
        return wording.DASH
    return wording.p_value(p).removeprefix("P ").removeprefix("= ")


def failure(metrics: dict) -> Markup:
    """How well signals without a reference tell which masks are bad."""
    found = metrics["experiments"].get("failure") or {}
    groups = [group for group in found.get("groups") or [] if group["n_counted"]]
    if not groups:
        return _nothing(found.get("learnt_from") or {})
    learnt = found["learnt_from"]
    where = f"the cohort {learnt['cohort']}" if learnt["cohort"] else "all cases"
    how = (
        "There is no other cohort: each fifth of the subjects is predicted from the others."
        if learnt["by_turns"]
        else "The figures below are of the other cohorts."
    )
    threshold = found["threshold_dice"]
    words = (
        "Each case's Dice is predicted from signals that need no manual mask. Learnt from "
        f"{where} ({learnt['n']} cases of {learnt['n_subjects']} subjects). {how}"
    )
    rows = []
    for group in groups:
        calibrated, covered = group["calibration"], group["risk_coverage"]
        rows.append(
            [
                "all models" if group["model"] is None else wording.model(group["model"]),
                group["n_counted"],
                group["n_bad"],
                _estimate(group["spearman"], 2),
                _estimate(group["auroc"], 3),
                _estimate(covered["area"], 3),
                wording.number(covered["ideal_area"], 3),
                wording.number(covered["random_area"], 3),
                _estimate(calibrated["slope"], 2),
                _estimate(calibrated["mean_absolute_error"], 3),
                wording.number(group["mean_absolute_error_of_mean"], 3),
            ]
        )
    heads = ["Cases of", "n", f"Dice < {threshold:g}", "Spearman", "AUROC", "Risk-coverage area"]
    heads += ["Ideal", "Random", "Calibration slope", "Mean error", "Of the mean"]
    content = paragraph(words) + table(heads, rows, 1)
    signals = [
        [
            Markup(f"<span>{text(item['name'].replace('_', ' '))}</span>"),
            found["signals"][item["name"]]["meaning"],
            item["n"],
            _estimate(item["spearman"], 2),
            _estimate(item["auroc"], 3),
        ]
        for item in groups[0]["signals"]
    ]
    heads = ["Signal", "What it is", "n", "Spearman", "AUROC"]
    content += details("Each signal by itself", table(heads, signals, 2))
    note = (
        "Spearman: rank correlation of predicted and found Dice. AUROC: for a Dice below "
        f"{threshold:g}. Risk-coverage area: mean of 1 - Dice when the cases with the worst "
        "predictions are set aside one after the other; lower is better. Mean error: absolute, "
        "beside that of predicting the mean for every case."
    )
    return Markup(content + paragraph(note, "quiet note"))


def methods() -> Markup:
    """What the figures mean, for a reader who was not there."""
    words = (
        (
            "Dice",
            "Twice the common voxels over the sum of both masks, over the whole examination.",
        ),
        (
            "Surfaces",
            "The voxels of a mask that one erosion with the six neighbours removes; distances "
            "between their centres in mm. ASSD is the sum of both directions over the count of "
            "both, HD95 the larger of the two 95th percentiles, MSSD the maximum; normalised "
            "surface Dice is the share of both surfaces, by area, within a tolerance.",
        ),
        (
            "Empty masks",
            "Both empty: Dice and distances are undefined and counted. One empty: Dice 0, "
            "distances undefined. A failed case: Dice 0.",
        ),
        (
            "Volume",
            "The sum over axial sections of the mask's area times the section thickness, along "
            "the sections' true normal.",
        ),
        (
            "Fat fraction",
            "The mean of the proton density fat fraction over the mask of the first echo; once "
            "over the whole liver, as in the paper, and once without vessels.",
        ),
        (
            "Intervals",
            "95 %, by bootstrap over subjects: all cases of a drawn subject together. Where an "
            "exact interval exists it takes cases as independent.",
        ),
        ("Differences", "Automated minus manual; multimodal minus initial; ours minus published."),
    )
    rows = [[name, meaning] for name, meaning in words]
    return table(["Figure", "Definition"], rows, 9)
