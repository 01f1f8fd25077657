"""The CLAIM checklist, answered as far as the run knows and blank where only the author knows.

Tejani AS, Klontzas ME, Gatti AA, et al. Checklist for Artificial Intelligence in Medical Imaging
(CLAIM): 2024 Update. Radiology: Artificial Intelligence 2024;6(4):e240300. The numbers are those of
the update; the topics are in our words. A journal asks for the original form: this list says what
can be put into it.
"""

import dataclasses
from collections.abc import Callable, Sequence

from liver_jax.evaluation import paper
from liver_jax.report import wording

SOURCE = "CLAIM, 2024 update: Radiology: Artificial Intelligence 2024;6(4):e240300"


@dataclasses.dataclass(frozen=True)
class Item:
    """One item of the checklist.

    Attributes:
        number: As in the 2024 update.
        part: Of the paper, `Methods` and so on.
        topic: What the item asks for, in a few words.
        answer: What the run knows about it; None where only the author knows.
    """

    number: int
    part: str
    topic: str
    answer: str | None


_TOPICS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Title and abstract",
        ("Named as a study of AI, with the kind of technique", "Structured abstract"),
    ),
    ("Introduction", ("Background, intended use and clinical role", "Aims and hypotheses")),
    (
        "Methods: study and data",
        (
            "Prospective or retrospective",
            "Goal of the study",
            "Sources of the data",
            "Who and what was included and excluded",
            "Preprocessing",
            "Selection of parts of the data",
            "De-identification",
            "Missing data",
            "Image acquisition",
        ),
    ),
    (
        "Methods: reference standard",
        (
            "Definition of the reference standard",
            "Why this one",
            "Who drew it, and their experience",
            "How the test set was annotated",
            "Variability within and between readers",
        ),
    ),
    (
        "Methods: partitions",
        (
            "How data were assigned to training, validation and test",
            "Level at which the partitions are disjoint",
            "Planned sample size",
        ),
    ),
    (
        "Methods: model and training",
        (
            "Model, with its inputs and outputs",
            "Software with versions",
            "Where the weights started",
            "Training: augmentation, hyperparameters, number of networks",
            "How the final network was chosen",
            "Ensembles",
        ),
    ),
    (
        "Methods: evaluation",
        (
            "Measures of performance",
            "Tests and uncertainty",
            "Robustness",
            "Explainability",
            "Evaluation on internal data",
            "Testing on external data",
            "Registration of a trial",
        ),
    ),
    (
        "Results",
        (
            "Flow of participants and images",
            "Demographic and clinical characteristics of each partition",
            "Performance with its uncertainty",
            "Precision of the estimates",
            "Failures",
        ),
    ),
    ("Discussion", ("Limits", "Implications for practice")),
    (
        "Other",
        ("Full protocol", "Availability of software, network and data", "Funding"),
    ),
)


def items(metrics: dict) -> list[Item]:
    """All 44 items, with what `metrics` tells of each."""
    topics = [(part, topic) for part, topics in _TOPICS for topic in topics]
    return [
        Item(number, part, topic, _answer(number, metrics))
        for number, (part, topic) in enumerate(topics, 1)
    ]


def _answer(number: int, metrics: dict) -> str | None:
    answer = _ANSWERS.get(number)
    return (answer(metrics) or None) if answer else None


def _technique_of_ai(metrics: dict) -> str | None:
    if not _networks(metrics):
        return None
    return "Deep learning: a two-dimensional U-Net that segments the liver on CT and MRI"


def _sources(metrics: dict) -> str:
    rows = metrics["cases"]
    parts = []
    for cohort in wording.cohorts(rows):
        of_cohort = [row for row in rows if row["cohort"] == cohort]
        sites = sorted({row["site"] for row in of_cohort if row.get("site")})
        where = f" ({', '.join(sites)})" if sites else ""
        parts.append(f"{wording.cohort(cohort)}{where}: {_counts(of_cohort)}")
    text = "Test data, by cohort: " + "; ".join(parts)
    if any(item.get("phantom") for item in _manifests(metrics)):
        text += ". Phantoms are among them: simulated examinations, no patients"
    return text


def _counts(rows: Sequence[dict]) -> str:
    exams = len({row["exam_id"] for row in rows})
    subjects = len({row["subject_id"] for row in rows})
    return f"{exams} examinations of {subjects} subjects"


def _preprocessing(metrics: dict) -> str | None:
    sizes = []
    for model, network in _networks(metrics).items():
        data = network.get("config", {}).get("data", {})
        if data.get("size") and data.get("spacing_mm"):
            spacing, size = data["spacing_mm"], data["size"]
            sizes.append(f"{wording.model(model)}: {size} x {size} pixels of {spacing:g} mm")
    if not sizes:
        return None
    return (
        "Axial slices in canonical orientation, resampled in plane to the network's grid ("
        + "; ".join(sizes)
        + "); masks return to the scan's own grid"
    )


def _missing(metrics: dict) -> str:
    rows = metrics["cases"]
    failed = sum(row["status"] == "failed" for row in rows)
    undefined = sum(row["status"] != "failed" and row["dice"] is None for row in rows)
    without = sum("pdff_unavailable" in row["flags"] for row in rows)
    return (
        f"{failed} failed cases, counted as Dice 0; {undefined} cases with an undefined Dice (both "
        f"masks empty), counted apart; {without} without the fat fraction that was to be had. No "
        "value was filled in"
    )


def _acquisition(metrics: dict) -> str:
    parts = []
    for name in wording.techniques(metrics["cases"]):
        rows = [row for row in metrics["cases"] if row["technique"] == name]
        words = []
        fields = sorted({row["field_strength_t"] for row in rows if row.get("field_strength_t")})
        if fields:
            words.append(" and ".join(f"{field:g}" for field in fields) + " T")
        times = sorted({row["te_ms"] for row in rows if row.get("te_ms") is not None})
        if times:
            ends = f"{times[0]:g}" if len(times) == 1 else f"{times[0]:g} to {times[-1]:g}"
            words.append(f"TE {ends} ms")
        phases = sorted({row["contrast_phase"] for row in rows if row.get("contrast_phase")})
        words += [phase.replace("_", " ") for phase in phases]
        parts.append(f"{wording.technique(name)} ({', '.join(words) or 'no details given'})")
    return "; ".join(parts) + ". Scanners and protocols: the author"


def _reference(metrics: dict) -> str | None:
    return "The manual mask that the manifest names, one for all echoes of an examination"


def _partitions(metrics: dict) -> str | None:
    counts = []
    for model, network in _networks(metrics).items():
        training = network.get("training", {})
        if "n_train_subjects" in training:
            counts.append(
                f"{wording.model(model)}: {training['n_train_subjects']} subjects to train, "
                f"{training.get('n_validation_subjects', 'no count of those')} to validate"
            )
    if not counts:
        return None
    return "By the manifest's column `split`. " + "; ".join(counts)


def _disjoint(metrics: dict) -> str | None:
    if not _networks(metrics):
        return None
    return (
        "Subjects. An examination whose subject, or whose image by its hash, a network was trained "
        "on is refused as a test case"
    )


def _sample_size(metrics: dict) -> str:
    return f"Reached, not planned: {_counts(metrics['cases'])}. Its reason: the author"


def _model(metrics: dict) -> str | None:
    parts = []
    for model, network in _networks(metrics).items():
        settings = network.get("config", {}).get("model", {})
        details = ", ".join(f"{key} {value}" for key, value in settings.items())
        parts.append(f"{wording.model(model)}: {details}" if details else wording.model(model))
    if not parts:
        return None
    return "U-Net, one axial slice in, one probability of liver for each pixel out. " + "; ".join(
        parts
    )


def _software(metrics: dict) -> str | None:
    versions = metrics.get("provenance", {}).get("versions", {})
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or None


def _start(metrics: dict) -> str | None:
    parts = []
    for model, network in _networks(metrics).items():
        training = network.get("training", {})
        if "initial" in training:
            initial = training["initial"]
            origin = initial.get("checkpoint") if isinstance(initial, dict) else initial
            parts.append(f"{wording.model(model)}: {origin or 'random weights'}")
    return "; ".join(parts) or None


def _training(metrics: dict) -> str | None:
    if not _networks(metrics):
        return None
    return "All settings, augmentation and schedule stand in the run record below"


def _chosen(metrics: dict) -> str | None:
    steps = [
        f"{wording.model(model)}: step {network['step']}"
        for model, network in _networks(metrics).items()
        if network.get("step") is not None
    ]
    if not steps:
        return None
    return "The best on the validation subjects, unless the command says otherwise. " + "; ".join(
        steps
    )


def _ensembles(metrics: dict) -> str | None:
    return "None: each model is one network" if _networks(metrics) else None


def _measures(metrics: dict) -> str:
    return (
        "Dice, IoU, volume difference, surface distances (ASSD, HD95, MSSD), normalised surface "
        "Dice at 1, 2 and 3 mm, liver volume, mean proton density fat fraction; each defined in "
        "the section on methods"
    )


def _uncertainty(metrics: dict) -> str:
    return (
        "95 % intervals by bootstrap over subjects, exact intervals where there are some; P values "
        "are given as they are. Equivalence with published figures: two one-sided tests with the "
        f"margins Dice {paper.MARGINS['dice']:g}, volume {paper.MARGINS['volume_percent']:g} %, "
        f"fat fraction {paper.MARGINS['pdff_points']:g} percentage points, fixed beforehand"
    )


def _robustness(metrics: dict) -> str | None:
    found = metrics.get("experiments", {})
    parts = []
    if found.get("echoes", {}).get("te"):
        parts.append("echo time and sequence")
    if found.get("subgroups"):
        names = ", ".join(
            str(group["column"]).removesuffix("_t").replace("_", " ")
            for group in found["subgroups"]
        )
        parts.append(f"sub-groups ({names})")
    if found.get("repeatability", {}).get("between_sessions"):
        parts.append("repeated examinations")
    return "Reported for " + ", ".join(parts) if parts else None


def _internal(metrics: dict) -> str | None:
    rows = [row for row in metrics["cases"] if row["cohort"] == "internal"]
    return _counts(rows) if rows else None


def _external(metrics: dict) -> str | None:
    rows = [row for row in metrics["cases"] if row["cohort"] == "external"]
    return _counts(rows) if rows else None


def _flow(metrics: dict) -> str:
    rows = metrics["cases"]
    statuses = [row["status"] for row in rows]
    return (
        f"{_counts(rows)} gave {len(rows)} cases: {statuses.count('ok')} measured, "
        f"{statuses.count('empty')} with an empty mask, {statuses.count('failed')} failed. Who was "
        "not in the manifest: the author"
    )


def _characteristics(metrics: dict) -> str | None:
    columns = sorted({name for row in metrics["cases"] for name in row.get("columns", {})})
    if not columns:
        return None
    return "The manifest knows " + ", ".join(column.replace("_", " ") for column in columns)


def _performance(metrics: dict) -> str:
    return "The sections on the results: each figure with its n, undefined cases and interval"


def _failures(metrics: dict) -> str | None:
    cases = metrics.get("experiments", {}).get("outliers", {}).get("cases")
    return None if cases is None else f"{len(cases)} outliers, each with its slices and flags"


def _available(metrics: dict) -> str:
    return "Software: liver_jax, Apache-2.0. Networks and data: the author"


def _networks(metrics: dict) -> dict:
    return metrics.get("provenance", {}).get("checkpoints") or {}


def _manifests(metrics: dict) -> list[dict]:
    return metrics.get("provenance", {}).get("manifests") or []


_ANSWERS: dict[int, Callable[[dict], str | None]] = {
    1: _technique_of_ai,
    7: _sources,
    9: _preprocessing,
    12: _missing,
    13: _acquisition,
    14: _reference,
    19: _partitions,
    20: _disjoint,
    21: _sample_size,
    22: _model,
    23: _software,
    24: _start,
    25: _training,
    26: _chosen,
    27: _ensembles,
    28: _measures,
    29: _uncertainty,
    30: _robustness,
    32: _internal,
    33: _external,
    35: _flow,
    36: _characteristics,
    37: _performance,
    38: _performance,
    39: _failures,
    43: _available,
}
