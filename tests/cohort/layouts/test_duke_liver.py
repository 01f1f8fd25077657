"""The Duke Liver Dataset in miniature: DICOM images and DICOM masks, a key of the series."""

import numpy as np
import pytest


@pytest.fixture
def write_series(mr, write_dicom):
    """Writes a series with its masks, at positions of their own or those of their images."""

    def write(folder, white=1, names="{:04d}.dicom", mask_names=None, placed=False, plus=0):
        count = mr.image.shape[2]
        named = [names.format(z + 1) for z in range(count)]
        data = mr.image + plus
        write_dicom(folder / "images", data, mr.affine, named, modality="MR", te_ms=[2.3])
        # Masks with names of their own are numbered the other way round.
        numbers = range(count, 0, -1) if mask_names else range(1, count + 1)
        drawn = [(mask_names or names).format(number) for number in numbers]
        affine = mr.affine if placed else np.diag([-1.0, -1.0, 1.0, 1.0])
        write_dicom(folder / "masks", white * mr.liver, affine, drawn, modality="MR")

    return write


def test_masks_lie_on_their_images(write_series, prepare, assert_is, mr, tmp_path):
    source = tmp_path / "DLDS"
    root = source / "Segmentation" / "Segmentation"
    write_series(root / "0001" / "3")
    write_series(root / "0001" / "603", white=255)
    # Not padded: 10 comes after 9; and names of their own for the masks.
    named = {"names": "{}.dicom", "mask_names": "mask_{}.dicom"}
    write_series(root / "0042" / "11", **named, placed=True, plus=42)
    (source / "SegmentationKey.csv").write_text(
        "\ufeffDLDS,Series,Label\n1,3,G\n1,603,K\n", encoding="utf-8"
    )
    exams, left_out = prepare("duke_liver", source)
    assert not left_out
    kinds = {name: (exam.technique, exam.contrast_phase) for name, exam in exams.items()}
    assert kinds == {
        "duke_liver-0001-3": ("t1w_in_phase", "unenhanced"),
        "duke_liver-0001-603": ("ce_t1w", "portal_venous"),
        "duke_liver-0042-11": ("mr", ""),
    }
    for exam in exams.values():
        plus = 42 if "0042" in exam.exam_id else 0
        assert_is(exam, mr, echoes=[mr.image + plus])
        assert exam.te_ms == (2.3,) and exam.modality == "MR"
    assert len({exam.subject_id for exam in exams.values()}) == 2


def test_what_cannot_be_paired_is_named(write_series, prepare, tmp_path):
    root = tmp_path / "source" / "Segmentation"
    for series in ("1", "2", "3", "4"):
        write_series(root / "0001" / series)
    write_series(root / "0001" / "5", mask_names="mask_{}.dicom")
    for path in (root / "0001" / "2" / "masks").iterdir():
        path.unlink()
    (root / "0001" / "3" / "masks" / "0002.dicom").unlink()
    mask = root / "0001" / "4" / "masks" / "0002.dicom"
    mask.write_bytes(mask.read_bytes()[:-100])
    exams, left_out = prepare("duke_liver", root.parent)
    assert list(exams) == ["duke_liver-0001-1"]
    assert left_out["0001-2"] == "there is no mask for it"
    assert "1 of" in left_out["0001-3"] and "no picture of the mask" in left_out["0001-3"]
    assert "0001-4" in left_out
    # Neither names nor positions tell: their order is not believed.
    assert "was drawn on no image of its series" in left_out["0001-5"]
