"""CHAOS MR in miniature: two echoes with one mask, grey levels of four organs."""

import numpy as np
import pytest

from liver_jax.volume import reader

_GREYS = {"liver": 63, "right_kidney": 126, "left_kidney": 189, "spleen": 252}
_TE_MS = {"InPhase": 4.603, "OutPhase": 2.302}


@pytest.fixture
def write_case(mr, write_dicom, write_png):
    """Writes a volunteer: images of the two phases are numbered by turns, in phase second."""

    def write(folder, drawn_on="InPhase"):
        count = mr.image.shape[2]
        greys = mr.labels(**_GREYS)
        # What interpolation left between the levels still belongs to the organ.
        edge = (greys == 63) & (np.indices(greys.shape).sum(0) % 5 == 0)
        greys = np.where(edge, 58, greys)
        series = {"SeriesInstanceUID": "1.2.3.4", "SeriesNumber": 4}  # one for both phases
        for second, (phase, te_ms) in enumerate([*_TE_MS.items()][::-1]):
            echo = mr.echoes[1 if phase == "InPhase" else 0]
            names = [f"IMG-0004-{2 * z + second + 1:05d}.dcm" for z in range(count)]
            place = folder / "T1DUAL" / "DICOM_anon" / phase
            write_dicom(
                place, echo, mr.affine, names, modality="MR", te_ms=[te_ms], series=dict(series)
            )
            if phase == drawn_on:
                for z, name in enumerate(names):
                    picture = folder / "T1DUAL" / "Ground" / name.replace(".dcm", ".png")
                    write_png(picture, greys[..., z])
        names = [f"IMG-0002-{z + 1:05d}.dcm" for z in range(count)]
        write_dicom(folder / "T2SPIR" / "DICOM_anon", mr.echoes[2], mr.affine, names, modality="MR")
        for z, name in enumerate(names):
            write_png(folder / "T2SPIR" / "Ground" / name.replace(".dcm", ".png"), greys[..., z])

    return write


@pytest.mark.parametrize("drawn_on", ["InPhase", "OutPhase"])
def test_two_echoes_share_a_mask(write_case, prepare, assert_is, mr, tmp_path, drawn_on):
    write_case(tmp_path / "Train_Sets" / "MR" / "13", drawn_on)
    exams, left_out = prepare("chaos_mr", tmp_path / "Train_Sets")
    assert list(exams) == ["chaos_mr-13-t1dual", "chaos_mr-13-t2spir"] and not left_out
    dual, spir = exams.values()
    # The shorter echo time, out of phase, comes first.
    assert dual.te_ms == (2.302, 4.603)
    assert_is(dual, mr, echoes=mr.echoes[:2])
    assert_is(spir, mr, echoes=[mr.echoes[2]])
    assert dual.subject_id == spir.subject_id == "chaos_mr-13"
    assert (dual.technique, spir.technique) == ("t1dual", "t2spir")
    assert dual.field_strength_t == 1.5 and dual.tr_ms == 150 and dual.flip_angle_deg == 10
    for exam in (dual, spir):
        labels = reader.read_labels(exam.mask).data
        for value, organ in enumerate(("liver", "right_kidney", "left_kidney", "spleen"), 1):
            assert (labels == value).sum() == (mr.labels(**{organ: 1}) == 1).sum()


def test_what_is_missing_is_named(write_case, prepare, mr, tmp_path):
    root = tmp_path / "source" / "MR"
    for case in ("1", "2", "3"):
        write_case(root / case)
    for path in (root / "2" / "T1DUAL" / "DICOM_anon" / "OutPhase").iterdir():
        path.unlink()
    ground = root / "3" / "T1DUAL" / "Ground"
    next(iter(sorted(ground.iterdir()))).rename(ground / "IMG-0009-00001.png")
    next(iter(sorted((root / "3" / "T2SPIR" / "Ground").iterdir()))).unlink()
    for path in (root / "2" / "T2SPIR" / "Ground").iterdir():
        path.unlink()
    exams, left_out = prepare("chaos_mr", root.parent)
    assert list(exams) == ["chaos_mr-1-t1dual", "chaos_mr-1-t2spir"]
    assert left_out["2 t1dual"] == "its outphase images are not there"
    assert left_out["2 t2spir"] == "no mask is published for it"
    assert "has the name of none of its images" in left_out["3 t1dual"]
    assert f"1 of {mr.image.shape[2]} slices have no picture" in left_out["3-t2spir"]
