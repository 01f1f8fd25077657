"""CHAOS CT in miniature: DICOM and PNG, paired by file names and not by position."""

import nibabel
import numpy as np
import pydicom
import pytest

from liver_jax.cohort import manifest
from liver_jax.volume import nifti


@pytest.fixture
def write_case(ct, write_dicom, write_png):
    """Writes a donor whose images are named from foot to head, or the other way round."""

    def write(folder, upwards=True, style="i{:04d},0000b.dcm", first=0, plus=0):
        count = ct.image.shape[2]
        # The writer takes names slice by slice; in these data z runs from head to foot.
        places = range(count) if ct.affine[2, 2] > 0 else range(count - 1, -1, -1)
        order = list(places) if upwards else list(places)[::-1]
        name_of = {z: style.format(number) for number, z in enumerate(order, first)}
        names = [name_of[z] for z in range(count)]
        write_dicom(folder / "DICOM_anon", ct.image + plus, ct.affine, names)
        for number, z in enumerate(order):
            picture = 255 * ct.liver[..., z]
            write_png(folder / "Ground" / f"liver_GT_{number:03d}.png", picture)

    return write


def test_pictures_belong_to_images_by_name(write_case, prepare, assert_is, ct, tmp_path):
    root = tmp_path / "CHAOS_Train_Sets" / "Train_Sets" / "CT"
    write_case(root / "1")
    write_case(root / "2", upwards=False, plus=2)
    # Other names, which begin at 1, and are sorted by number: 10 after 9.
    write_case(root / "21", upwards=False, style="IMG-0002-{}.dcm", first=1, plus=21)
    exams, left_out = prepare("chaos_ct", tmp_path / "CHAOS_Train_Sets")
    assert list(exams) == ["chaos_ct-1", "chaos_ct-2", "chaos_ct-21"]
    assert not left_out
    for exam in exams.values():
        plus = int(exam.exam_id.rpartition("-")[2])
        assert_is(exam, ct, echoes=[ct.image + (plus if plus > 1 else 0)])
        assert (exam.modality, exam.technique) == ("CT", "ct")
        assert exam.contrast_phase == "portal_venous"
        assert exam.subject_id == exam.exam_id


def test_spacing_is_that_of_the_positions(write_case, prepare, ct, tmp_path):
    """The writer's SliceThickness is 7.5 mm, whatever the distance of the slices is."""
    write_case(tmp_path / "Train_Sets" / "CT" / "1")
    exams, _ = prepare("chaos_ct", tmp_path / "Train_Sets")
    assert exams["chaos_ct-1"].images[0].name == "image_1.nii.gz"
    spacing_mm = nifti.read_header(exams["chaos_ct-1"].images[0]).spacing_mm
    assert spacing_mm[2] == pytest.approx(abs(ct.affine[2, 2]), abs=1e-3)
    assert spacing_mm[2] != pytest.approx(7.5, abs=1)


def test_incomplete_cases_are_left_out_by_name(write_case, prepare, tmp_path):
    root = tmp_path / "source" / "ct"
    for case in ("1", "2", "5", "6"):
        write_case(root / case)
    (root / "2" / "Ground" / "liver_GT_003.png").unlink()
    for path in (root / "5" / "Ground").iterdir():
        path.unlink()
    for path in (root / "6" / "DICOM_anon").iterdir():
        path.unlink()
    write_case(root.parent / "again" / "CT" / "8")
    write_case(root / "8")
    (root / "1" / "Ground" / "._liver_GT_000.png").write_bytes(b"dropped")
    (root / "1" / "DICOM_anon" / ".DS_Store").write_bytes(b"dropped")
    exams, left_out = prepare("chaos_ct", root.parent)
    assert list(exams) == ["chaos_ct-1"]
    assert "paired by their order" in left_out["2"]
    assert "is there 2 times" in left_out["8"]
    assert left_out["5"] == "no mask is published for it"
    assert left_out["6"] == "there are no images for its masks"


def test_a_missing_slice_is_told(write_case, prepare, tmp_path):
    root = tmp_path / "source" / "CT"
    write_case(root / "1")
    write_case(root / "2")
    (root / "2" / "DICOM_anon" / "i0004,0000b.dcm").unlink()
    (root / "2" / "Ground" / "liver_GT_004.png").unlink()
    _, left_out = prepare("chaos_ct", root.parent)
    assert "misses 1 slice" in left_out["2"]


@pytest.mark.real
def test_real_images_with_a_mask_of_pictures(prepare, write_png, real_data, tmp_path):
    """20 slices, 2 mm apart, whose SliceThickness is 3: the volume is that of the positions."""
    case = tmp_path / "Train_Sets" / "CT" / "3"
    (case / "DICOM_anon").mkdir(parents=True)
    labels = nibabel.load(real_data / "ct_dicom_labels.nii.gz")
    liver = np.asarray(labels.dataobj) == 5
    assert nibabel.aff2axcodes(labels.affine) == ("L", "A", "S")
    for number, file in enumerate(sorted((real_data / "ct_dicom").iterdir())):
        (case / "DICOM_anon" / file.name).symlink_to(file)
        height_mm = float(pydicom.dcmread(file, stop_before_pixels=True).ImagePositionPatient[2])
        index = round((height_mm - labels.affine[2, 3]) / labels.affine[2, 2])
        # A picture's rows run to the back, this label map's to the front.
        picture = 255 * liver[:, ::-1, index]
        write_png(case / "Ground" / f"liver_GT_{number:03d}.png", picture)
    exams, left_out = prepare("chaos_ct", tmp_path / "Train_Sets")
    assert not left_out
    (exam,) = exams.values()
    mask, image = manifest.load_mask(exam), manifest.load_image(exam)
    assert mask.spacing_mm[2] == pytest.approx(2.0, abs=0.01)
    assert mask.data.sum() * mask.voxel_volume_ml == pytest.approx(699.44, abs=0.3)
    assert image.data[mask.data].mean() == pytest.approx(89, abs=1.5)
