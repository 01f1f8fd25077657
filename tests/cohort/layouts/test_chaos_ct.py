"""CHAOS CT in miniature: DICOM and PNG, paired by file names and not by position."""

import pytest

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
    (root / "1" / "Ground" / "._liver_GT_000.png").write_bytes(b"dropped")
    (root / "1" / "DICOM_anon" / ".DS_Store").write_bytes(b"dropped")
    exams, left_out = prepare("chaos_ct", root.parent)
    assert list(exams) == ["chaos_ct-1"]
    assert "paired by their order" in left_out["2"]
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
