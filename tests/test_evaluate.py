"""The evaluation, walked by small files; networks are stood in for by a threshold."""

import dataclasses
import errno
import json
import pathlib
import shutil
import subprocess
import sys
import types

import jsonschema
import numpy as np
import pytest

from liver_jax import evaluate, files
from liver_jax.cohort import manifest
from liver_jax.errors import InputError
from liver_jax.evaluation import results
from liver_jax.examine import fitting
from liver_jax.examine.share import Share
from liver_jax.inference.predictor import Segmentation
from liver_jax.physics import signal
from liver_jax.report import publish, slices
from liver_jax.scoring import plan
from liver_jax.volume import geometry, nifti

SCHEMA = pathlib.Path(evaluate.__file__).parent / "evaluation" / "metrics.schema.json"
SHAPE = (8, 7, 5)
# Turned, flipped and oblique, so that a mask that is put down on other axes is noticed.
AFFINE = np.array(
    [[0.0, -1.5, 0.2, 30.0], [1.2, 0.0, 0.0, -20.0], [0.1, 0.0, -4.0, 50.0], [0, 0, 0, 1]]
)


@dataclasses.dataclass
class Threshold:
    """Calls every voxel liver that is brighter than `level`; keeps account of what it was asked."""

    level: float = 50.0
    record: dict = dataclasses.field(
        default_factory=lambda: {
            "train_subjects": ["other"],
            "train_image_sha256": [],
            "validation_subjects": [],
        }
    )
    checkpoint: str = "runs/fake/best"
    step: int = 10
    record_sha256: str | None = None
    asked: list = dataclasses.field(default_factory=list)

    config: dict = dataclasses.field(default_factory=dict)

    def probability(self, volume, modality, subject):
        self.asked.append((subject, modality, volume.grid_shape))
        return (volume.data > self.level).astype(np.float32)

    def segment(self, volume, modality, subject):
        probability = self.probability(volume, modality, subject)
        return Segmentation(probability, augmentation_dice=0.9, border_entropy=0.2, soft_dice=0.8)


def liver(low: int = 2, high: int = 6) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[low:high, 2:5, 1:4] = True
    return mask


def save(path: pathlib.Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> pathlib.Path:
    nifti.write(path, data, geometry.Volume(data, affine))
    return path


@pytest.fixture
def cohort(tmp_path):
    """A CT that the threshold gets exactly, and an MR with three echoes of which it misses some."""
    folder = tmp_path / "cohort"
    truth = liver()
    ct = np.where(truth, 100, 0).astype(np.int16)
    echoes = np.stack([np.where(liver(2, 6 - lost), 100, 10) for lost in range(3)], axis=-1)
    fat = np.where(truth, 12.5, 80.0).astype(np.float32) / 100
    exams = [
        manifest.Exam(
            exam_id="ct_1",
            subject_id="s1",
            modality="CT",
            technique="ct",
            contrast_phase="portal_venous",
            cohort="external",
            split="test",
            images=(save(folder / "ct_1.nii.gz", ct),),
            mask=save(folder / "ct_1_mask.nii.gz", truth.astype(np.uint8) * 3),
            liver_labels=(3,),
        ),
        manifest.Exam(
            exam_id="mr_1",
            subject_id="s2",
            modality="MR",
            technique="spgr2d",
            split="test",
            images=(save(folder / "mr_1.nii.gz", echoes.astype(np.float32)),),
            te_ms=(1.15, 2.3, 3.45),
            mask=save(folder / "mr_1_mask.nii.gz", truth.astype(np.uint8)),
            liver_labels=(1,),
            pdff_map=save(folder / "mr_1_pdff.nii.gz", fat),
            pdff_unit="fraction",
        ),
    ]
    manifest.write(folder / "manifest.csv", exams)
    return folder / "manifest.csv"


@pytest.fixture
def exams(cohort):
    return manifest.read_many(str(cohort))


@pytest.fixture
def masks(tmp_path):
    """Another tool's masks, right for the CT and one slab short for the MR."""
    save(tmp_path / "other_tool" / "ct_1.nii.gz", liver().astype(np.uint8))
    save(tmp_path / "other_tool" / "mr_1.nii", liver(2, 5).astype(np.float32))
    return tmp_path / "other_tool"


def without_time(path: pathlib.Path) -> dict:
    metrics = json.loads(path.read_text())
    del metrics["provenance"]["finished_utc"]
    return metrics


def evaluated(*given, **options):
    """An evaluation without its report, which most of these tests do not look at."""
    return evaluate.evaluate(*given, report=False, **options)


def rows_of(metrics, *keys):
    return [tuple(row[key] for key in keys) for row in metrics["cases"]]


def test_two_networks_on_every_echo(exams, tmp_path):
    output = tmp_path / "eval"
    networks = {"initial": Threshold(level=1000), "multimodal": Threshold()}
    metrics = evaluated(exams, output, networks, all_echoes=True)
    stored = json.loads((output / "metrics.json").read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(stored)
    assert stored == {"schema_version": results.SCHEMA_VERSION, **metrics}
    assert rows_of(metrics, "exam_id", "model", "echo", "te_ms", "status", "dice") == [
        ("ct_1", "initial", None, None, "empty", 0.0),
        ("ct_1", "multimodal", None, None, "ok", 1.0),
        ("mr_1", "initial", 1, 1.15, "empty", 0.0),
        ("mr_1", "multimodal", 1, 1.15, "ok", 1.0),
        ("mr_1", "initial", 2, 2.3, "empty", 0.0),
        ("mr_1", "multimodal", 2, 2.3, "ok", pytest.approx(2 * 27 / (27 + 36))),
        ("mr_1", "initial", 3, 3.45, "empty", 0.0),
        ("mr_1", "multimodal", 3, 3.45, "ok", pytest.approx(2 * 18 / (18 + 36))),
    ]
    second = metrics["cases"][3]
    assert second["volume_ml_auto"] == pytest.approx(36 * abs(np.linalg.det(AFFINE[:3, :3])) / 1000)
    # The mask of each echo is laid on the map.
    assert rows_of(metrics, "pdff_percent_manual", "pdff_percent_auto", "pdff_source")[:6] == [
        (None, None, None),
        (None, None, None),
        (pytest.approx(12.5), None, "map"),
        (pytest.approx(12.5), pytest.approx(12.5), "map"),
        (pytest.approx(12.5), None, "map"),
        (pytest.approx(12.5), pytest.approx(12.5), "map"),
    ]
    assert metrics["cases"][0]["contrast_phase"] == "portal_venous"
    assert metrics["summary"]["forgetting"]["mean"] == 1.0
    assert metrics["provenance"]["checkpoints"]["multimodal"]["step"] == 10
    assert networks["multimodal"].asked[0] == ("examination ct_1", "CT", SHAPE)


def test_masks_are_kept_on_the_scans_own_grid(exams, tmp_path):
    metrics = evaluated(exams, tmp_path, {"multimodal": Threshold()})
    assert rows_of(metrics, "mask_file") == [
        ("masks/multimodal/ct_1.nii.gz",),
        ("masks/multimodal/mr_1_echo1.nii.gz",),
    ]
    for exam, row in zip(exams, metrics["cases"], strict=True):
        mask = nifti.read_labels(tmp_path / row["mask_file"])
        np.testing.assert_array_equal(mask.affine, nifti.read_header(exam.images[0]).affine)
        np.testing.assert_array_equal(mask.data, liver())


def test_its_own_masks_read_back_give_the_same_figures(exams, tmp_path):
    first = evaluated(exams, tmp_path / "a", {"multimodal": Threshold()}, None, True)
    folder = tmp_path / "a" / "masks" / "multimodal"
    again = evaluated(exams, tmp_path / "b", {}, folder, True)

    def bare(metrics):
        of_network = dict.fromkeys(("augmentation_dice", "border_entropy", "soft_dice"))
        return [
            row | {"mask_file": None, "quality": row["quality"] | of_network}
            for row in metrics["cases"]
        ]

    assert bare(again) == bare(first)
    assert again["cases"][0]["mask_file"] == "../a/masks/multimodal/ct_1.nii.gz"


def test_masks_of_another_tool_need_no_network(exams, masks, tmp_path):
    metrics = evaluated(exams, tmp_path / "eval", {}, masks)
    assert rows_of(metrics, "model", "echo", "dice") == [
        ("other_tool", None, 1.0),
        ("other_tool", 1, pytest.approx(2 * 27 / 63)),
    ]
    stored = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(stored)
    assert not (tmp_path / "eval" / "masks").exists()


def test_finished_cases_are_not_redone(exams, tmp_path):
    network = Threshold()
    evaluated(exams, tmp_path, {"multimodal": network})
    before = without_time(tmp_path / "metrics.json")
    assert len(network.asked) == 2
    evaluated(exams, tmp_path, {"multimodal": network})
    assert len(network.asked) == 2
    assert without_time(tmp_path / "metrics.json") == before
    evaluated(exams, tmp_path, {"multimodal": network}, all_echoes=True)
    assert len(network.asked) == 4  # two more echoes
    (tmp_path / "masks" / "multimodal" / "ct_1.nii.gz").unlink()
    evaluated(exams, tmp_path, {"multimodal": network})
    assert len(network.asked) == 5


def test_shares_put_together_are_the_whole_and_each_case_is_done_once(exams, tmp_path):
    whole = evaluated(exams, tmp_path / "whole", {"multimodal": Threshold()}, all_echoes=True)
    network, folder = Threshold(), tmp_path / "shared"
    for index in range(3):  # more shares than examinations: one has nothing to do
        done = evaluated(
            exams, folder, {"multimodal": network}, all_echoes=True, shared=Share(index, 3)
        )
        assert done is None and not (folder / "metrics.json").exists()
    together = evaluated(exams, folder, {"multimodal": network}, all_echoes=True)
    assert together["cases"] == whole["cases"] and together["summary"] == whole["summary"]
    assert len(network.asked) == len(whole["cases"]) == 4


def test_a_share_of_another_tools_masks(cohort, masks, tmp_path):
    flags = [f"--manifest={cohort}", f"--predictions={masks}", "--output=out", "--noreport"]
    for share in ("2/2", "1/2"):
        done = run(*flags, f"--shard={share}", cwd=tmp_path)
        assert done.returncode == 0 and f"share {share[0]} of 2 is done" in done.stdout, done
        assert not (tmp_path / "out" / "metrics.json").exists()
    assert len(list((tmp_path / "out" / "cases").rglob("*.json"))) == 2
    assert run(*flags, cwd=tmp_path).returncode == 0
    assert len(json.loads((tmp_path / "out" / "metrics.json").read_text())["cases"]) == 2


def test_masks_of_a_network_are_kept_where_only_the_figures_are_gone(exams, tmp_path):
    network = Threshold()
    before = evaluated(exams, tmp_path, {"multimodal": network})
    asked = len(network.asked)
    shutil.rmtree(tmp_path / "cases")
    again = evaluated(exams, tmp_path, {"multimodal": network})
    assert again["cases"] == before["cases"] and len(network.asked) == asked


def test_doubts_stand_in_the_row(exams, tmp_path):
    """The masks of the echoes have 36, 27 and 18 voxels, each within the one before."""
    network = {"multimodal": Threshold()}
    alone = evaluated(exams, tmp_path, network)["cases"][1]
    assert alone["quality"]["echo_dice"] is None
    ct, mr, *_ = evaluated(exams, tmp_path, network, all_echoes=True)["cases"]
    assert ct["quality"]["echo_dice"] is None
    assert mr["quality"]["echo_dice"] == pytest.approx((2 * 27 / 63 + 2 * 18 / 54) / 2)
    assert [mr["quality"][name] for name in ("augmentation_dice", "border_entropy")] == [0.9, 0.2]
    assert "implausible_volume" in mr["flags"]  # of less than a millilitre


def test_the_report_is_made_whole_again(exams, tmp_path):
    network = {"multimodal": Threshold()}
    evaluate.evaluate(exams, tmp_path, network)
    page = tmp_path / "report" / "index.html"
    viewer = tmp_path / "report" / "cases" / "multimodal" / "mr_1_echo1.html"
    volume_view = viewer.with_name("mr_1_echo1.volume.html")
    assert "mr_1" in page.read_text() and viewer.exists() and volume_view.exists()
    assert (tmp_path / "report" / "tables" / "cases.csv").exists()
    assert list((tmp_path / "report" / "figures").glob("*.svg"))
    viewer.unlink()
    (tmp_path / "cases" / "multimodal" / "ct_1.npz").unlink()
    evaluate.evaluate(exams, tmp_path, network)
    assert viewer.exists() and (tmp_path / "cases" / "multimodal" / "ct_1.npz").exists()
    assert len(network["multimodal"].asked) == 2, "its masks are still there"


def test_a_case_that_cannot_be_shown_has_its_figures_all_the_same(exams, tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("no picture")

    monkeypatch.setattr(slices, "key_slices", broken)
    metrics = evaluate.evaluate(exams, tmp_path, {"multimodal": Threshold()})
    assert rows_of(metrics, "status") == [("ok",), ("ok",)]
    assert (tmp_path / "report" / "index.html").exists()


def test_pictures_follow_what_they_show(exams, masks, tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "publish", lambda *_: None)  # the page is not looked at
    viewer = tmp_path / "eval" / "report" / "cases" / "other_tool" / "ct_1.html"

    def shown(exams=exams, report=True):
        evaluate.evaluate(exams, tmp_path / "eval", {}, masks, report=report)
        return viewer.read_text()

    first = shown()
    assert shown() == first
    save(masks / "ct_1.nii.gz", liver(2, 5).astype(np.uint8))
    shown(report=False)
    second = shown()
    assert second != first, "another mask"
    save(exams[0].images[0], np.where(liver(), 50, 0).astype(np.int16))
    third = shown()
    assert third != second, "another image"
    assert shown([dataclasses.replace(exams[0], contrast_phase="arterial"), exams[1]]) != third


def test_masks_of_an_unreadable_scan_are_measured_all_the_same(exams, masks, tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "publish", lambda *_: None)
    image = nifti.nib.Nifti1Image(np.full(SHAPE, np.nan, np.float32), AFFINE)
    image.header.set_sform(AFFINE, code=1)
    nifti.nib.save(image, exams[0].images[0])
    metrics = evaluate.evaluate(exams, tmp_path / "eval", {}, masks)
    assert rows_of(metrics, "status", "dice")[0] == ("ok", 1.0)
    assert not (tmp_path / "eval" / "report" / "cases" / "other_tool" / "ct_1.html").exists()


def test_an_echo_that_is_mended_counts_in_the_doubts_of_the_others(exams, tmp_path):
    class Broken(Threshold):
        def probability(self, volume, modality, subject):
            if (volume.data > self.level).sum() == 18:
                raise RuntimeError("the third echo")
            return super().probability(volume, modality, subject)

    def echo_dice(network):
        found = evaluated(exams[1:], tmp_path, {"multimodal": network}, all_echoes=True)
        return [row["quality"]["echo_dice"] for row in found["cases"]]

    assert echo_dice(Broken())[2] is None
    fresh = [(2 * 27 / 63 + 2 * 18 / 54) / 2, (2 * 27 / 63 + 2 * 18 / 45) / 2, (2 / 3 + 0.8) / 2]
    assert echo_dice(Threshold()) == pytest.approx(fresh)


def test_refuses_a_subgroup_that_no_manifest_has(exams, tmp_path):
    with pytest.raises(InputError, match="shoe_size is no column"):
        evaluated(exams, tmp_path / "eval", {"multimodal": Threshold()}, subgroups=["shoe_size"])
    assert not (tmp_path / "eval").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"step": 11},
        {"checkpoint": "runs/other/best"},
        {"record": {"train_subjects": ["x"], "train_image_sha256": [], "validation_subjects": []}},
    ],
)
def test_another_checkpoint_is_evaluated_anew(exams, tmp_path, change):
    evaluated(exams, tmp_path, {"multimodal": Threshold()})
    network = dataclasses.replace(Threshold(level=1000), **change)
    metrics = evaluated(exams, tmp_path, {"multimodal": network})
    assert rows_of(metrics, "dice") == [(0.0,), (0.0,)]


def test_another_manual_mask_is_measured_anew_and_another_word_is_not(exams, tmp_path):
    network = Threshold()
    evaluated(exams, tmp_path, {"multimodal": network})
    exams = [dataclasses.replace(exam, site="elsewhere") for exam in exams]
    metrics = evaluated(exams, tmp_path, {"multimodal": network})
    assert rows_of(metrics, "site") == [("elsewhere",)] * 2 and len(network.asked) == 2
    save(exams[0].mask, liver(2, 5).astype(np.uint8) * 3)
    metrics = evaluated(exams, tmp_path, {"multimodal": network})
    assert rows_of(metrics, "dice") == [(pytest.approx(2 * 27 / 63),), (1.0,)]


def test_a_case_that_raises_is_a_failed_row_and_is_tried_again(exams, tmp_path):
    class Broken(Threshold):
        def probability(self, volume, modality, subject):
            if modality == "CT":
                raise RuntimeError("out of\nmemory")
            return super().probability(volume, modality, subject)

    metrics = evaluated(exams, tmp_path, {"multimodal": Broken()})
    assert rows_of(metrics, "status", "reason", "dice", "mask_file")[0] == (
        "failed",
        "RuntimeError: out of memory",
        None,
        None,
    )
    assert metrics["cases"][1]["status"] == "ok"
    ct = metrics["summary"]["groups"][1]["measures"]["dice"]
    assert (ct["n_failed"], ct["mean_all"], ct["mean_defined"]) == (1, 0.0, None)
    stored = json.loads((tmp_path / "metrics.json").read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(stored)
    assert "1 failed, counted as Dice 0 (ct_1, multimodal: RuntimeError" in evaluate.words(
        metrics, tmp_path
    )
    again = evaluated(exams, tmp_path, {"multimodal": Threshold()})
    assert again["cases"][0]["status"] == "ok"


def test_input_that_turns_out_bad_in_the_run_is_a_failed_row(exams, tmp_path):
    data = np.full(SHAPE, np.nan, np.float32)
    image = nifti.nib.Nifti1Image(data, AFFINE)
    image.header.set_sform(AFFINE, code=1)
    nifti.nib.save(image, exams[0].images[0])
    metrics = evaluated(exams, tmp_path, {"multimodal": Threshold()})
    assert rows_of(metrics, "status") == [("failed",), ("ok",)]
    assert "NaN or infinite" in metrics["cases"][0]["reason"]


def test_the_table_names_phantoms_and_where_the_results_lie(exams, cohort, tmp_path):
    network = {"multimodal": Threshold()}
    plain = evaluate.words(evaluated(exams, tmp_path, network), tmp_path)
    assert "of phantoms" not in plain and plain.endswith(str(tmp_path / "metrics.json"))
    assert "spgr2d, echo 1" in plain.splitlines()[1] and plain.splitlines()[2].startswith("ct ")
    (cohort.parent / "phantom.json").write_text("{}")
    assert "figures of phantoms, not of patients" in evaluate.words(
        evaluated(exams, tmp_path, network), tmp_path
    )


TE_MS = (1.15, 2.3, 3.45, 4.6, 5.75, 6.9)


@pytest.fixture
def multiecho(exams, tmp_path):
    """An examination without a map: 18 % of fat in the liver and 4 % around it; with its phase."""
    percent = np.where(liver(), 18.0, 4.0)
    data = signal.multiecho(100 - percent, percent, np.full(SHAPE, 40.0), TE_MS, 3.0)
    phase = np.clip(np.rint(np.angle(data) * 4096 / np.pi), -4096, 4095).astype(np.int16)
    return dataclasses.replace(
        exams[1],
        images=(save(tmp_path / "echoes.nii.gz", abs(data).astype(np.float32)),),
        phase_images=(save(tmp_path / "phase.nii.gz", phase),),
        phase_unit="scanner",
        precession="clockwise",
        te_ms=TE_MS,
        field_strength_t=3.0,
        pdff_map=None,
        pdff_unit=None,
    )


def test_echoes_without_a_map_are_fitted(multiecho, tmp_path):
    exam = dataclasses.replace(multiecho, phase_images=(), phase_unit=None)
    network = {"multimodal": Threshold(0.0)}
    metrics = evaluated([exam], tmp_path / "eval", network, all_echoes=True)
    assert [row["pdff_source"] for row in metrics["cases"]] == ["magnitude_fit"] * 6
    first = metrics["cases"][0]
    assert first["pdff_percent_manual"] == pytest.approx(18, abs=0.5)
    everything = np.where(liver(), 18.0, 4.0).mean()
    assert first["pdff_percent_auto"] == pytest.approx(everything, abs=0.5)
    stored = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(stored)


@pytest.fixture
def fits(monkeypatch):
    """A fit that finds 7 % in all but one slice of the liver, and what it was asked to fit."""
    asked = []

    def fit(scan):
        asked.append((scan.volume.data.dtype, scan.body))
        fitted = np.ones(SHAPE, bool)
        fitted[2] = False
        return types.SimpleNamespace(
            pdff_percent=np.where(fitted, 7.0, 0.0),
            fitted=fitted,
            field_map_hz=np.zeros(SHAPE) if np.iscomplexobj(scan.volume.data) else None,
        )

    monkeypatch.setattr(fitting, "fit", fit)
    return asked


def test_one_fit_serves_all_networks_and_says_where_it_failed(multiecho, tmp_path, fits):
    networks = {"initial": Threshold(0.0), "multimodal": Threshold(1000.0)}
    metrics = evaluated([multiecho], tmp_path / "eval", networks)
    assert rows_of(metrics, "pdff_source", "pdff_percent_manual", "pdff_percent_auto") == [
        ("complex_fit", 7.0, 7.0),
        ("complex_fit", 7.0, None),
    ]
    ((dtype, body),) = fits
    assert dtype == np.complex64
    assert body.shape == SHAPE and body.all()
    stored = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(stored)


def test_a_fitted_case_is_measured_anew_where_the_fit_would_differ(multiecho, tmp_path, fits):
    network = Threshold()

    def work(exam):
        before = len(fits)
        row = evaluated([exam], tmp_path / "eval", {"multimodal": network})["cases"][0]
        return len(fits) - before, row["pdff_source"]

    assert work(multiecho) == (1, "complex_fit")
    assert work(multiecho) == (0, "complex_fit")
    assert work(dataclasses.replace(multiecho, field_strength_t=2.9)) == (1, "complex_fit")
    assert work(dataclasses.replace(multiecho, te_ms=(1.1, *TE_MS[1:]))) == (1, "complex_fit")
    assert work(dataclasses.replace(multiecho, phase_images=())) == (1, "magnitude_fit")
    assert work(dataclasses.replace(multiecho, field_strength_t=None)) == (0, None)
    two = save(tmp_path / "two.nii.gz", np.ones((*SHAPE, 2), np.float32))
    few = dataclasses.replace(multiecho, images=(two,), phase_images=(), te_ms=TE_MS[:2])
    assert work(few) == (0, None)


def test_either_mask_is_averaged_wherever_the_fit_is_sound(multiecho, tmp_path):
    """A slice of the liver too dark for the body's threshold, which only one of the masks has."""
    exam = dataclasses.replace(multiecho, phase_images=(), phase_unit=None)
    data = nifti.read_image(exam.images[0]).data.copy()
    data[2] = abs(signal.multiecho(0.5, 0.5, 40.0, TE_MS, 3.0))  # half of it is fat
    save(exam.images[0], data)
    save(exam.mask, liver(3, 6).astype(np.uint8))
    folder = tmp_path / "other_tool"
    save(folder / "mr_1_echo1.nii.gz", liver().astype(np.uint8))
    wide = evaluated([exam], tmp_path / "a", {}, folder)["cases"][0]
    save(exam.mask, liver().astype(np.uint8))
    save(folder / "mr_1_echo1.nii.gz", liver(3, 6).astype(np.uint8))
    narrow = evaluated([exam], tmp_path / "b", {}, folder)["cases"][0]
    assert wide["pdff_percent_auto"] == narrow["pdff_percent_manual"] == pytest.approx(26, abs=1)
    assert wide["pdff_percent_manual"] == narrow["pdff_percent_auto"] == pytest.approx(18, abs=1)


class Manual(Threshold):
    """Finds what the manual mask has."""

    def probability(self, volume, modality, subject):
        super().probability(volume, modality, subject)
        return liver().astype(np.float32)


def compared_without_pdff(exam, output, fault):
    """The one row of a case whose masks are compared, and whose fat fraction is not to be had."""
    network = Manual()
    for _ in range(2):
        metrics = evaluated([exam], output, {"multimodal": network})
        (row,) = metrics["cases"]
        assert row["status"] == "ok" and "pdff_unavailable" in row["flags"]
        assert row["dice"] == 1 and fault in row["reason"]
        assert row["pdff_source"] is row["pdff_percent_auto"] is row["pdff_percent_manual"] is None
        told = evaluate.words(metrics, output)
        assert "1 without the PDFF that was to be had (mr_1, multimodal: " in told
    assert len(network.asked) == 1, "a finished case is not redone"
    stored = json.loads((output / "metrics.json").read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(stored)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"precession": None}, "phase.nii.gz: mr_1 has phase images and no precession"),
        ({"field_strength_t": 15.0}, "field_strength_t is 15"),
        ({"te_ms": (*TE_MS[:5], 250.0)}, "no echo of a liver lasts 200 ms"),
        ({"phase_images": (pathlib.Path("none.nii.gz"),)}, "none.nii.gz: no such file"),
    ],
)
def test_masks_are_compared_where_the_echoes_cannot_be_fitted(multiecho, tmp_path, change, fault):
    exam = dataclasses.replace(multiecho, **change)
    compared_without_pdff(exam, tmp_path / "eval", fault)
    with_map = dataclasses.replace(exam, pdff_map=exam.mask, pdff_unit="fraction")
    row = evaluated([with_map], tmp_path / "eval", {"multimodal": Manual()})["cases"][0]
    assert row["pdff_source"] == "map" and "pdff_unavailable" not in row["flags"]
    # Mended, it is measured anew.
    row = evaluated([multiecho], tmp_path / "eval", {"multimodal": Threshold()})["cases"][0]
    assert (row["pdff_source"], row["reason"]) == ("complex_fit", None)


def test_masks_are_compared_where_phase_images_are_of_another_scan(multiecho, tmp_path):
    save(multiecho.phase_images[0], np.zeros((*SHAPE, 5), np.float32))
    fault = "5 phase images for 6 magnitude images"
    compared_without_pdff(multiecho, tmp_path / "a", fault)
    save(multiecho.phase_images[0], np.zeros((*SHAPE, 6), np.float32), AFFINE + np.eye(4, k=3))
    compared_without_pdff(multiecho, tmp_path / "b", "another grid than the image echoes.nii.gz")


def test_masks_are_compared_where_the_fit_or_the_map_fails_in_the_run(multiecho, tmp_path):
    save(multiecho.phase_images[0], np.full((*SHAPE, 6), 3.0, np.float32))
    compared_without_pdff(multiecho, tmp_path / "a", "looks like radian")
    path = save(tmp_path / "map.nii.gz", np.full(SHAPE, 700.0, np.float32))
    exam = dataclasses.replace(multiecho, pdff_map=path, pdff_unit="percent")
    compared_without_pdff(exam, tmp_path / "b", "looks like permille")


def refused(exams, output, match, networks=None, masks=None, all_echoes=False):
    with pytest.raises(InputError, match=match) as error:
        evaluated(exams, output, networks or {}, masks, all_echoes)
    assert "\n" not in str(error.value)
    assert not output.exists(), "a refusal leaves nothing behind"


@pytest.mark.parametrize("by", ["subject", "image"])
@pytest.mark.parametrize("model", ["initial", "multimodal"])
def test_refuses_an_examination_that_either_checkpoint_was_trained_on(exams, tmp_path, by, model):
    networks = {"initial": Threshold(), "multimodal": Threshold()}
    if by == "subject":
        networks[model].record["train_subjects"] = ["s2"]
    else:
        networks[model].record["train_image_sha256"] = [files.sha256(exams[1].images[0])]
    networks[model].checkpoint = "runs/culprit"
    refused(exams, tmp_path / "eval", "examination mr_1: the checkpoint runs/culprit", networks)
    assert not networks[model].asked


def test_refuses_a_test_subject_that_chose_the_checkpoint(exams, tmp_path):
    network = Threshold()
    network.record["validation_subjects"] = ["s2"]
    exams = [dataclasses.replace(exam, split="test") for exam in exams]
    refused(exams, tmp_path / "eval", "was chosen by its subject, s2", {"multimodal": network})


def test_refuses_examinations_without_a_manual_mask(exams, tmp_path):
    exams[1] = dataclasses.replace(exams[1], mask=None)
    refused(exams, tmp_path / "eval", "no manual mask for mr_1", {"multimodal": Threshold()})


@pytest.mark.parametrize("column", ["mask", "pdff_map"])
def test_refuses_missing_files_and_other_grids_before_the_work(exams, tmp_path, column):
    path = getattr(exams[1], column)
    network = {"multimodal": Threshold()}
    save(path, np.zeros(SHAPE, np.uint8), AFFINE + np.eye(4, k=3))
    refused(exams, tmp_path / "eval", "another grid than the image mr_1.nii.gz", network)
    path.unlink()
    refused(exams, tmp_path / "eval", "no such file", network)


def test_refuses_masks_that_are_none(exams, masks, tmp_path):
    save(masks / "mr_1.nii", np.full(SHAPE, 0.25, np.float32))
    refused(exams, tmp_path / "eval", "mr_1.nii: holds 0.25", masks=masks)
    save(masks / "mr_1.nii", np.full(SHAPE, 2, np.uint8))
    refused(exams, tmp_path / "eval", "mr_1.nii: holds the labels 2", masks=masks)
    save(masks / "mr_1.nii", np.zeros(SHAPE, np.uint8), np.eye(4))
    refused(exams, tmp_path / "eval", "another grid than the image", masks=masks)


def test_refuses_duplicate_and_unmatched_masks(exams, masks, tmp_path):
    (masks / "ct_1.nii").touch()
    refused(exams, tmp_path / "eval", "two masks for one case", masks=masks)
    (masks / "ct_1.nii").rename(masks / "ct_2.nii")
    refused(exams, tmp_path / "eval", "is named ct_2.nii", masks=masks)
    (masks / "ct_2.nii").unlink()
    refused(exams, tmp_path / "eval", "no mask for mr_1_echo2", masks=masks, all_echoes=True)
    (masks / "ct_1.nii.gz").unlink()
    refused(exams, tmp_path / "eval", "no mask for ct_1", masks=masks)


def test_refuses_a_folder_named_like_a_network(exams, masks, tmp_path):
    folder = masks.rename(masks.parent / "multimodal")
    network = {"multimodal": Threshold()}
    refused(exams, tmp_path / "eval", "is that of a network", network, folder)


def test_refuses_ids_whose_masks_would_collide(exams, tmp_path):
    exams[0] = dataclasses.replace(exams[0], exam_id="mr_1_echo1")
    refused(exams, tmp_path / "eval", "would be named mr_1_echo1", {"multimodal": Threshold()})


def test_refuses_an_output_that_cannot_be_made(exams, masks, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        evaluated(exams, masks / "ct_1.nii.gz" / "below", {}, masks)


def test_a_manual_mask_without_liver_is_named(exams, tmp_path):
    exams[0] = dataclasses.replace(exams[0], liver_labels=(77,))
    metrics = evaluated(exams, tmp_path, {"multimodal": Threshold()})
    told = evaluate.words(metrics, tmp_path)
    assert "No liver in the manual mask of ct_1: is liver_labels right?" in told


def test_refuses_a_split_that_is_not_there(exams):
    with pytest.raises(InputError, match=r"no examination has split 'train'.* has: test"):
        plan.select(exams, "train")
    assert plan.select(exams, "test") == exams


@pytest.mark.parametrize("suffix", ["cases", "metrics"])
def test_a_full_disk_is_one_line_and_keeps_finished_cases(exams, tmp_path, monkeypatch, suffix):
    write = files.write_json

    def full(path, value):
        if suffix in str(path.relative_to(tmp_path)) and "mr_1" in path.name + str(value):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, value)

    network = Threshold()
    monkeypatch.setattr(files, "write_json", full)
    with pytest.raises(InputError, match="No space left on device"):
        evaluated(exams, tmp_path, {"multimodal": network})
    assert not (tmp_path / "metrics.json").exists()
    monkeypatch.undo()
    evaluated(exams, tmp_path, {"multimodal": network})
    assert [subject for subject, *_ in network.asked].count("examination ct_1") == 1


def run(*flags: str, cwd: pathlib.Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "liver_jax.evaluate", *flags]
    root = pathlib.Path(evaluate.__file__).parents[1]
    return subprocess.run(
        command, cwd=cwd, env={"PYTHONPATH": str(root), "PATH": ""}, capture_output=True, text=True
    )


def test_the_binary_evaluates_masks(cohort, masks, tmp_path):
    done = run(f"--manifest={cohort}", f"--predictions={masks}", "--output=out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Everything else: out/metrics.json"
    assert (tmp_path / "out" / "metrics.json").exists()


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        ([], "neither --checkpoint nor --predictions"),
        (["--predictions=masks", "--baseline=runs/stage1"], "--baseline"),
        (["--compare_to_paper", "--output=none"], "none/metrics.json: cannot be read"),
        (["--ablation=runs"], "holds no run"),
        (["--predictions=masks", "--manifest=none.csv"], "none.csv"),
        (["--predictions=masks", "--output="], "--output: it is empty"),
    ],
)
def test_refused_flags(flags, fault, monkeypatch, tmp_path):
    values = evaluate.flags.FlagValues()
    evaluate.define_flags(values)
    values(["evaluate", *flags])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=fault):
        evaluate.main(values)


def test_the_binary_refuses_with_one_line_and_code_2(cohort, masks, tmp_path):
    (masks / "ct_1.nii").touch()
    done = run(f"--manifest={cohort}", f"--predictions={masks}", "--output=out", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and "two masks" in done.stderr
    assert done.stdout == "" and not (tmp_path / "out").exists()
