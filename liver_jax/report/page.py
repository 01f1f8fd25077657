"""The report's page: one file with every figure, every case, and the record of the run.

It opens without a network and without any other file; the viewers of single cases, the figures as
files and the tables lie beside it.
"""

import html
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence

from liver_jax import files
from liver_jax.evaluation import quality
from liver_jax.report import casedata, encoding, measures, wording
from liver_jax.report.markup import Markup, details, paragraph, section, text
from liver_jax.report.sections import (
    agreement,
    checklist,
    echoes,
    failure,
    methods,
    networks,
    opening,
    paper,
    record,
    repeatability,
    subgroups,
    summary,
)
from liver_jax.report.slices import KeySlice

# The outliers that stand in the page with their slices; the table of cases has them all.
_OUTLIERS_SHOWN = 24

# The columns of the table of cases: key, head, decimals (None: words).
_TABLE = (
    ("id", "Case", None),
    ("technique", "Technique", None),
    ("contrast_phase", "Phase", None),
    ("cohort", "Cohort", None),
    ("model", "Model", None),
    ("echo", "Echo", 0),
    ("dice_or_zero", "Dice", 3),
    ("predicted_dice", "Predicted", 3),
    ("flags", "Flags", None),
    ("hd95_mm", "HD95 (mm)", 1),
    ("volume_ml_manual", "Manual (mL)", 0),
    ("volume_ml_difference", "Δ volume (mL)", 0),
    ("pdff_percent_difference", "Δ PDFF", 2),
)

# The sections as the bar above the page names them.
_SHORT = {
    "summary": "Summary",
    "paper": "Paper",
    "echoes": "1 Echoes",
    "networks": "2 Networks",
    "ablation": "3 Data size",
    "volumes": "4 Volume",
    "fat": "5 Fat",
    "outliers": "6 Outliers",
    "failure": "Failure",
    "repeatability": "Repeats",
    "subgroups": "Sub-groups",
    "more": "More",
    "cases": "Cases",
    "methods": "Methods",
    "files": "Files",
    "record": "Run",
    "claim": "CLAIM",
}

# Which figures stand in which section: the first whose word is in the figure's name.
_FIGURE_WORDS = {
    "failure": ("failure", "risk", "calibration", "quality"),
    "outliers": ("outlier",),
    "subgroups": ("subgroup", "forest"),
    "ablation": ("ablation",),
    "volumes": ("volume",),
    "fat": ("pdff", "fat"),
    "echoes": ("echo",),
    "networks": ("network", "example", "low_high", "low_and_high", "dice"),
}


def write(
    output: pathlib.Path,
    metrics: dict,
    figures: Mapping[str, str],
    key_slices: Callable[[dict], Sequence[KeySlice]],
) -> pathlib.Path:
    """Writes `report/index.html`, atomically.

    Viewers (`report/cases/`), figures and tables as files are linked where they are there already:
    this is written last.

    Args:
        output: The folder of the evaluation.
        metrics: What metrics.json holds.
        figures: By name, each as an SVG element with its `title` and `desc`.
        key_slices: Finds the slices of a row; none where none were kept.

    Returns:
        The page.
    """
    folder = output / "report"
    rows = metrics["cases"]
    placed = _placed(figures, folder)
    parts = [
        (name, section(name, title, content))
        for name, title, content in _sections(metrics, placed, folder)
        if content
    ]
    data = {
        "keys": casedata.KEYS,
        "rows": casedata.table(rows, _predicted_dice(metrics), _exists(folder)),
        "table": _table_columns(rows, metrics),
        "names": {
            "technique": {name: wording.technique(name) for name in wording.techniques(rows)},
            "model": {name: wording.model(name) for name in wording.models(rows)},
            "cohort": {},
            "contrast_phase": {
                phase: phase.replace("_", " ")
                for phase in sorted({row.get("contrast_phase") or "" for row in rows})
            },
        },
        "measures": [
            (item.key, item.label, item.unit, item.decimals, item.meaning)
            for item in measures.MEASURES
        ],
        "flags": measures.FLAGS,
        "signals": {name: signal.meaning for name, signal in quality.SIGNALS.items()},
        "outliers": [casedata.identity(case) for case in _outliers(metrics)],
    }
    texts = {
        "TITLE": "Liver segmentation and biometry: evaluation",
        "BASE_CSS": encoding.asset("base.css"),
        "CSS": encoding.asset("page.css"),
        "NAV": _navigation(parts),
        "OPENING": opening.show(metrics),
        "SECTIONS": "".join(content for _, content in parts),
        "DATA": encoding.json_text(data),
        "PICTURES": encoding.json_text(casedata.pictures(rows, key_slices)),
        "MASKS_JS": encoding.asset("masks.js"),
        "JS": encoding.asset("page.js"),
    }
    path = folder / "index.html"
    files.write_text(path, encoding.filled(encoding.asset("page.html"), texts))
    return path


def _sections(
    metrics: dict, placed: Mapping[str, str], folder: pathlib.Path
) -> list[tuple[str, str, str]]:
    """Anchor, title and content of each part; what has no content is left out."""

    def both(words: str, name: str) -> str:
        return words + placed.get(name, "")

    return [
        ("summary", "Summary", summary.show(metrics)),
        ("paper", "Beside the published figures", paper.show(metrics)),
        ("echoes", "1. Echo and sequence", both(echoes.show(metrics), "echoes")),
        ("networks", "2. Initial and multimodal", both(networks.show(metrics), "networks")),
        ("ablation", "3. Data size", placed.get("ablation", "")),
        ("volumes", "4. Volumetry", both(agreement.show(metrics, "volumes"), "volumes")),
        ("fat", "5. Fat fraction", both(agreement.show(metrics, "fat"), "fat")),
        ("outliers", "6. Outliers", both(_outlier_list(metrics, folder), "outliers")),
        ("failure", "Failure prediction", both(failure.show(metrics), "failure")),
        ("repeatability", "Repeatability", repeatability.show(metrics)),
        ("subgroups", "Sub-groups", both(subgroups.show(metrics), "subgroups")),
        ("more", "More figures", placed.get("more", "")),
        ("cases", "Cases", _case_table(metrics)),
        ("methods", "Methods", methods.show()),
        ("files", "Files", _files(folder)),
        ("record", "Run record", record.show(metrics)),
        ("claim", "CLAIM checklist", checklist.show(metrics)),
    ]


def _navigation(parts: Sequence[tuple[str, str]]) -> str:
    return "".join(f'<a href="#{name}">{text(_SHORT[name])}</a>' for name, _ in parts)


def _placed(figures: Mapping[str, str], folder: pathlib.Path) -> dict[str, str]:
    """The figures as HTML, by the section that they belong to."""
    placed: dict[str, str] = {}
    for name, svg in figures.items():
        place = next(
            (key for key, words in _FIGURE_WORDS.items() if any(word in name for word in words)),
            "more",
        )
        placed[place] = placed.get(place, "") + _figure(name, svg, folder)
    return placed


def _figure(name: str, svg: str, folder: pathlib.Path) -> str:
    caption = re.search(r"<desc>(.*?)</desc>", svg, re.S)
    links = [
        f'<a href="figures/{html.escape(name)}.{kind}">{kind.upper()}</a>'
        for kind in ("svg", "pdf")
        if (folder / "figures" / f"{name}.{kind}").exists()
    ]
    # Drawn for a printed page: on a screen there is room for a third more.
    size = re.match(r'<svg[^>]*?\bwidth="([\d.]+)pt"', svg)
    style = f' style="--width: {float(size[1]) * 1.75:.0f}px"' if size else ""
    words = caption[1] if caption else ""  # escaped already, as SVG
    linked = f' <span class="no-print">{" ".join(links)}</span>' if links else ""
    return (
        f'<figure id="figure-{html.escape(name)}"{style}><div class="drawing">{svg}</div>'
        f"<figcaption>{words}{linked}</figcaption></figure>\n"
    )


def _outliers(metrics: dict) -> list[dict]:
    return (metrics["experiments"].get("outliers") or {}).get("cases") or []


def _outlier_list(metrics: dict, folder: pathlib.Path) -> str:
    cases = _outliers(metrics)
    if not cases:
        return paragraph("No case is below the threshold or beyond the limits.", "quiet")
    threshold = metrics["experiments"]["outliers"]["dice_threshold"]
    words = (
        f"{len(cases)} cases (first echoes) have a Dice below {threshold:g}, or a volume or fat "
        "fraction beyond the limits of agreement of their technique and model; worst first."
    )
    if len(cases) > _OUTLIERS_SHOWN:
        words += f" The first {_OUTLIERS_SHOWN} are shown; the table of cases filters all of them."
    key = (
        '<p class="quiet note"><span class="key automated"></span>automated only &nbsp; '
        '<span class="key manual"></span>manual only &nbsp; <span class="key both"></span>both</p>'
    )
    items = [_outlier(case, folder) for case in cases[:_OUTLIERS_SHOWN]]
    return paragraph(words) + key + f'<ol class="outliers">{"".join(items)}</ol>\n'


_WHY = {
    "dice": "low Dice",
    "volume": "volume beyond the limits",
    "volume_ml": "volume beyond the limits",
    "pdff": "fat fraction beyond the limits",
    "pdff_percent": "fat fraction beyond the limits",
    "failed": "failed",
}


def _outlier(case: dict, folder: pathlib.Path) -> str:
    name = casedata.identity(case)
    figures = [f"Dice {wording.number(case['dice'], 3)}"]
    if case["volume_ml_difference"] is not None:
        figures.append(f"volume {wording.number(case['volume_ml_difference'], 0)} mL")
    if case["pdff_percent_difference"] is not None:
        figures.append(f"fat fraction {wording.number(case['pdff_percent_difference'], 2)} points")
    why = ", ".join(_WHY.get(word, word.replace("_", " ")) for word in case["why"])
    facts = (
        f"{wording.technique(case['technique'])}, {wording.model(case['model'])}, "
        f"{case['cohort'] or 'no cohort'}"
    )
    flags = "".join(f'<span class="flag">{text(flag)}</span>' for flag in case["flags"])
    links = [
        f'<a class="no-print" href="cases/{html.escape(name)}{ending}">{label}</a>'
        for ending, label in ((".html", "All slices"), (".volume.html", "Volume view"))
        if (folder / "cases" / f"{name}{ending}").exists()
    ]
    address = html.escape(name)
    strip = f'<div class="slices" data-strip="{address}"></div>'
    return (
        f'<li><div class="head"><a href="#case={address}"><strong>'
        f"{html.escape(name.split('/', 1)[1])}</strong></a>"
        f'<span class="quiet">{text(facts)}</span><span>{text("; ".join(figures))}</span>'
        f'<span class="quiet">{text(why)}</span>{" ".join(links)}</div>{flags}'
        f"{'' if case['status'] == 'failed' else strip}</li>\n"
    )


def _table_columns(rows: Sequence[dict], metrics: dict) -> list[tuple[str, str, int | None]]:
    """The columns in which any case has something."""
    predicted = _predicted_dice(metrics)

    def is_used(key: str) -> bool:
        if key == "predicted_dice":
            return bool(predicted)
        if key == "pdff_percent_difference":
            return any(row.get("pdff_percent_auto") is not None for row in rows)
        if key in ("contrast_phase", "cohort"):
            return any(row.get(key) for row in rows)
        return key != "echo" or any(row["echo"] is not None for row in rows)

    return [column for column in _TABLE if is_used(column[0])]


def _case_table(metrics: dict) -> str:
    rows = metrics["cases"]

    def choice(name: str, label: str, options: Sequence[tuple[str, str]]) -> str:
        inner = "".join(
            f'<option value="{html.escape(value)}">{text(word)}</option>' for value, word in options
        )
        return f'<label>{label}<select id="filter-{name}">{inner}</select></label>'

    techniques = [(name, wording.technique(name)) for name in wording.techniques(rows)]
    models = [(name, wording.model(name)) for name in wording.models(rows)]
    cohorts = [(name, wording.cohort(name)) for name in wording.cohorts(rows)]
    flags = sorted({flag for row in rows for flag in row["flags"]})
    statuses = sorted({row["status"] for row in rows} - {"ok"})
    of_flags = [("", "all"), ("any", "any flag"), ("none", "no flag"), ("outlier", "outliers")]
    of_flags += [(f"status:{status}", f"status {status}") for status in statuses]
    of_flags += [(f"flag:{flag}", flag) for flag in flags]
    first = (
        '<label class="across"><input type="checkbox" id="filter-first"> First echo only</label>'
        if any((row["echo"] or 1) > 1 for row in rows)
        else ""
    )
    filters = (
        '<form class="filters no-print" onsubmit="return false">'
        '<label>Name<input type="search" id="filter-text" size="14"></label>'
        + choice("technique", "Technique", [("*", "all"), *techniques])
        + choice("model", "Model", [("*", "all"), *models])
        + choice("cohort", "Cohort", [("*", "all"), *cohorts])
        + choice("flag", "Flags", of_flags)
        + '<label>Dice from<span class="pair"><input type="number" id="filter-low" min="0" max="1"'
        ' step="0.01" aria-label="Dice from"> to <input type="number" id="filter-high" min="0" '
        'max="1" step="0.01" aria-label="Dice to"></span></label>'
        + first
        + '<button type="button" id="filter-reset">Reset</button></form>'
    )
    head = "".join(
        f'<th scope="col" data-key="{key}"{"" if decimals is None else chr(32) + "class=n"}>'
        f'<button type="button">{text(label)}</button></th>'
        for key, label, decimals in _table_columns(rows, metrics)
    )
    return (
        paragraph(
            "A click on a head sorts; a click on a row opens the case. Δ: automated minus manual.",
            "quiet no-print",
        )
        + filters
        + '<p id="case-count" aria-live="polite" class="quiet"></p>'
        + f'<div class="case-table" tabindex="0"><table id="case-table"><thead><tr>{head}</tr>'
        + "</thead><tbody></tbody></table></div>"
        + '<button type="button" id="case-more" class="no-print" hidden></button>'
        + "<noscript><p>The table of cases needs JavaScript; metrics.json and tables/ hold the "
        "same figures.</p></noscript>\n"
    )


def _predicted_dice(metrics: dict) -> dict[str, float]:
    cases = (metrics["experiments"].get("failure") or {}).get("cases") or []
    return {
        casedata.identity(case): case["predicted_dice"]
        for case in cases
        if case.get("predicted_dice") is not None
    }


def _exists(folder: pathlib.Path) -> Callable[[str], bool]:
    """Looks the files of cases up once: a report may have thousands."""
    found = {path.relative_to(folder).as_posix() for path in (folder / "cases").glob("*/*.html")}
    return found.__contains__


def _files(folder: pathlib.Path) -> str:
    """Links to what lies beside the page, for those who write a paper."""
    content = ""
    for name, title in (("tables", "Tables (CSV, LaTeX)"), ("figures", "Figures (SVG, PDF)")):
        found = sorted(path.name for path in (folder / name).glob("*.*"))
        if found:
            links = ", ".join(
                f'<a href="{name}/{html.escape(i)}">{html.escape(i)}</a>' for i in found
            )
            content += details(title, f"<p>{links}</p>")
    metrics = '<p><a href="../metrics.json">metrics.json</a>: every figure of this page.</p>\n'
    return Markup(metrics + content)
