"""CHAOS CT: one DICOM folder and one folder of PNG masks for each donor.

`CT/<id>/DICOM_anon/*.dcm` and `CT/<id>/Ground/liver_GT_000.png`. A picture belongs to the image
at its place in the order of the **file names**: in some cases the images are named from foot to
head, in others from head to foot, and to sort them by position would turn the mask over.
"""

from liver_jax.cohort.intake import pairs
from liver_jax.cohort.intake.case import WHITE, Case, Found, Pictures, Series
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.intake.layout import Layout


def _read(download: Download) -> Found:
    found = Found()
    images, pictures = {}, {}
    for match, entry in download.find(r"CT/(?P<case>\d+)/DICOM_anon/[^/]+"):
        images.setdefault(match["case"], []).append(entry)
    for match, entry in download.find(r"CT/(?P<case>\d+)/Ground/[^/]*\.png"):
        pictures.setdefault(match["case"], []).append(entry)
    for case in sorted({*images, *pictures}, key=int):
        drawn, scanned = pictures.get(case, []), images.get(case, [])
        twice = pairs.copies(scanned) or pairs.copies(drawn)
        if twice:
            found.leave_out(case, twice)
        elif not scanned:
            found.leave_out(case, "there are no images for its masks")
        elif not drawn:
            found.leave_out(case, "no mask is published for it")
        elif len(drawn) != len(scanned):
            count = f"{len(drawn)} pictures of masks for {len(scanned)} images"
            found.leave_out(case, f"there are {count}, which are paired by their order")
        else:
            found.cases.append(
                Case(
                    case_id=case,
                    subject_id=f"chaos_ct-{case}",
                    modality="CT",
                    technique="ct",
                    contrast_phase="portal_venous",
                    images=(Series(tuple(scanned)),),
                    mask=(Pictures(tuple(zip(drawn, scanned, strict=True)), {WHITE: 1}),),
                )
            )
    return found


LAYOUT = Layout(
    name="chaos_ct",
    title="CHAOS, CT",
    modality="CT",
    expected=20,
    licence="CC BY-NC-SA 4.0",
    home="Zenodo 3431873",
    liver="PNG > 0",
    read=_read,
)
