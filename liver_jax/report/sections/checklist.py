"""The section `CLAIM checklist`; `report.claim` knows the items and the answers."""

from liver_jax.report import claim
from liver_jax.report.markup import Markup, paragraph, table


def show(metrics: dict) -> Markup:
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
