"""The section `Methods`: what the figures mean."""

from liver_jax.report.markup import Markup, table


def show() -> Markup:
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
