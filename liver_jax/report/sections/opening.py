"""What stands above the sections: what was evaluated, and whether it was phantoms."""

from liver_jax.report import wording
from liver_jax.report.markup import Markup, paragraph


def show(metrics: dict) -> Markup:
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
    phantom = _is_phantom(metrics)
    if phantom or phantom is None:
        which = "All" if phantom else "Some"
        content += Markup(
            f'<p class="banner" role="note"><strong>{which} data are phantoms.</strong> Simulated '
            "examinations, no patients: the figures show that the method works as intended, not "
            "how well it does on people. The published figures beside them are of patients.</p>\n"
        )
    return Markup(content)


def _is_phantom(metrics: dict) -> bool | None:
    """Whether all data are phantoms (True), some (None) or none (False)."""
    kinds = [bool(item.get("phantom")) for item in metrics["provenance"]["manifests"]]
    if kinds and all(kinds):
        return True
    return None if any(kinds) else False
