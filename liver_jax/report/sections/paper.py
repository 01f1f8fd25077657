"""The section `Beside the published figures`: each of the paper's figures and ours."""

from liver_jax.report import wording
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


def show(metrics: dict) -> Markup:
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
    unit = (
        f" (difference: {item['unit']})" if item["unit"] and item["difference"] is not None else ""
    )
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
