"""The table of the public cohorts that can be read. A new one is a file here, and a line below."""

import textwrap

from liver_jax.cohort.intake.case import Found
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.intake.layout import Layout
from liver_jax.cohort.layouts import (
    amos22,
    atlas,
    btcv,
    chaos_ct,
    chaos_mr,
    cirrmri600,
    duke_liver,
    flare22,
    ircadb,
    lits,
    liverhccseg,
    msd_liver,
    totalsegmentator,
)
from liver_jax.errors import InputError

PUBLIC: dict[str, Layout] = {
    module.LAYOUT.name: module.LAYOUT
    for module in (
        *(lits, msd_liver, ircadb, chaos_ct, btcv, flare22),
        *(amos22, totalsegmentator),
        *(chaos_mr, atlas, liverhccseg, duke_liver, cirrmri600),
    )
}
_OWN = """\
Made, or one's own:

phantom            examinations whose truth is known (--help)
nnunet             --source=DatasetNNN_NAME, any nnU-Net dataset folder
bids               --source=DATASET, masks of the liver in its derivatives
folders            --images=DIR --masks=DIR --pattern='*_img.nii.gz,*_seg.nii.gz' --modality=MR"""


def read(layout: Layout, download: Download) -> Found:
    """What a layout's reader finds in a download.

    Raises:
        InputError: Nothing; the message names the cohort that it may be of, if one knows its files.
    """
    found = noted(layout.read(download), download)
    if found.cases or found.left_out:
        return found
    others = [other.name for other in PUBLIC.values() if other.read(download).cases]
    first = download.entries[0].path
    fault = (
        f"holds no file with a name of {layout.title} among {len(download.entries)} ({first}, ...)"
    )
    remedy = f"It looks like --cohort={others[0]}" if others else "Name the folder of the download"
    raise InputError(download.source, fault, remedy)


def noted(found: Found, download: Download) -> Found:
    """With the packed files that could not be looked into among what is left out."""
    for path, reason in download.unopened.items():
        found.leave_out(path, reason)
    return found


def describe() -> str:
    """All cohorts as a table, at most 100 columns wide."""
    row = "{:17} {:6} {:>5}  {:32} {}"
    lines = [
        row.format("--cohort", "", "exams", "what; licence", "value of liver; where to ask"),
        "",
    ]
    for layout in PUBLIC.values():
        expected = str(layout.expected or "")
        title = textwrap.shorten(layout.title, 32, placeholder=" ...")
        lines.append(row.format(layout.name, layout.modality, expected, title, layout.liver))
        lines.append(row.format("", "", "", layout.licence, layout.home).rstrip())
    lines += [
        "",
        "exams: with a mask of the liver, in the whole download; part of it will do, too.",
    ]
    return "\n".join([*lines, "", _OWN])
