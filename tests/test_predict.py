"""Prediction on small files: maps from echoes, masks beside them, a whole manifest."""

import dataclasses
import json
import re
import types

import nibabel
import numpy as np
import pytest
import scipy.io
from absl import flags

from liver_jax import files, predict
from liver_jax.biometry import maps
from liver_jax.cohort import manifest
from liver_jax.errors import InputError
from liver_jax.examine import batch
from liver_jax.inference.predictor import Segmentation
from liver_jax.physics import signal
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

TE_MS = (1.15, 2.3, 3.45, 4.6, 5.75, 6.9)
TIMES = "--te_ms=1.15,2.3,3.45,4.6,5.75,6.9"
SHAPE = (12, 10, 3)
# Turned, flipped and oblique, so that a map that is put down on other axes is noticed.
AFFINE = np.array(
    [[0.0, -1.5, 0.2, 30.0], [1.2, 0.0, 0.0, -20.0], [0.1, 0.0, -4.0, 50.0], [0, 0, 0, 1]]
)
MAPS = ("--maps", "--checkpoint=none")
MAGNITUDE_FILES = {
    "fit_status.nii.gz",
    "measurements.json",
    "pdff_percent.nii.gz",
    "pdff_standard_error_percent.nii.gz",
    "r2star_per_s.nii.gz",
    "r2star_standard_error_per_s.nii.gz",
}


def truth():
    """PDFF 4, 12 and 25 % in three blocks; 0 around them, where there is nothing."""
    percent = np.zeros(SHAPE)
    percent[2:10, 1:4], percent[2:10, 4:7], percent[2:10, 7:9] = 4, 12, 25
    return percent


def echoes():
    """Complex [x, y, z, echo]: R2* 50 1/s, field -20 Hz."""
    percent = truth()
    body = percent > 0
    values = signal.multiecho(500 * body - 5 * percent, 5 * percent, 50.0 * body, TE_MS, 3.0)
    return (values * np.exp(-2j * np.pi * 20 * np.array(TE_MS) / 1000)).astype(np.complex64)


def save(path, data):
    nifti.write(path, data, Volume(data, AFFINE))
    return path


@pytest.fixture
def folder(tmp_path):
    """One 4D magnitude file, the same as six files, the phase in both units, a .mat file."""
    data = echoes()
    save(tmp_path / "m.nii.gz", abs(data))
    for echo in range(6):
        save(tmp_path / f"m{echo}.nii.gz", abs(data[..., echo]))
    save(tmp_path / "radian.nii.gz", np.angle(data))
    scanner = np.clip(np.rint(np.angle(data) * 4096 / np.pi), -4096, 4095)
    save(tmp_path / "scanner.nii.gz", scanner.astype(np.int16))
    fields = {
        "images": data[:, :, :, None].conj(),
        "TE": np.array(TE_MS) / 1000,
        "FieldStrength": 3.0,
        "PrecessionIsClockwise": -1,
        "voxelSize": [1.2, 1.5, 4.2],
    }
    scipy.io.savemat(tmp_path / "echoes.mat", {"imDataParams": fields})
    return tmp_path


def run_here(*arguments):
    """The program in this process: its exit code."""
    values = flags.FlagValues()
    predict.define_flags(values)
    values(["predict", *map(str, arguments)])
    return predict.main(values)


def maps_of(folder, *arguments):
    """Runs the program for maps alone."""
    output = folder / "out"
    assert run_here(*arguments, *MAPS, f"--output={output}") == 0
    return output, json.loads((output / "measurements.json").read_text())


def check_truth(output, affine=AFFINE):
    percent = truth()
    body = percent > 0
    for path in output.glob("*.nii.gz"):
        held = nibabel.load(path)
        np.testing.assert_allclose(held.affine, affine, atol=1e-6)
        assert held.shape == SHAPE and np.isfinite(held.get_fdata()).all()
    held = nifti.read_image(output / "pdff_percent.nii.gz").data
    np.testing.assert_allclose(held[body], percent[body], atol=1.0)
    np.testing.assert_allclose(
        nifti.read_image(output / "r2star_per_s.nii.gz").data[body], 50, atol=6
    )
    status = nifti.read_labels(output / "fit_status.nii.gz").data
    assert not status[~body].any() and not held[~body].any()
    assert status[body].all()


def test_magnitude_echoes_of_one_file_or_many(folder):
    output, record = maps_of(
        folder, f"--input={folder / 'm.nii.gz'}", TIMES, "--field_strength_t=3"
    )
    check_truth(output)
    assert {path.name for path in output.iterdir()} == MAGNITUDE_FILES
    assert record["status"] == "ok" and record["input"]["files"] == 1
    assert "names" not in record["input"] and record["input"]["format"] == "nii"
    assert record["volume_ml"] is record["mask_voxels"] is record["mask_sha256"] is None
    assert record["volume_ml_reason"] == "no mask was asked for"
    told = record["maps"]
    assert (told["method"], told["te_ms"], told["field_strength_t"]) == ("magnitude", [*TE_MS], 3)
    assert told["t1_correction"] is told["precession"] is told["liver_voxels"] is None
    assert told["spectrum"] == "hamilton_liver_6" and told["spacing_known"]
    assert told["voxels"]["background"] == (truth() == 0).sum()
    assert sum(told["voxels"].values()) == truth().size
    assert told["regularised"] is True
    together = files.sha256(output / "pdff_percent.nii.gz")
    many = ",".join(str(folder / f"m{echo}.nii.gz") for echo in range(6))
    output, record = maps_of(folder, f"--input={many}", TIMES, "--field_strength_t=3")
    assert files.sha256(output / "pdff_percent.nii.gz") == together
    assert record["input"]["files"] == 6


@pytest.mark.parametrize("unit", ["radian", "scanner"])
def test_complex_echoes_from_magnitude_and_phase(folder, unit):
    output, record = maps_of(
        folder,
        *(f"--input={folder / 'm.nii.gz'}", TIMES, "--field_strength_t=3"),
        *(f"--phase={folder / unit}.nii.gz", f"--phase_unit={unit}", "--precession=clockwise"),
    )
    check_truth(output)
    field = nifti.read_image(output / "field_map_hz.nii.gz").data
    np.testing.assert_allclose(field[truth() > 0], -20, atol=3)
    assert record["request"]["echoes"]["phase_unit"] == unit
    assert record["maps"]["regularised"] is None
    assert (record["maps"]["method"], record["maps"]["precession"]) == ("complex", "clockwise")


def test_an_ismrm_file_tells_all_itself(folder):
    output, record = maps_of(folder, f"--input={folder / 'echoes.mat'}")
    check_truth(output, np.diag([1.2, 1.5, 4.2, 1.0]))
    told = record["maps"]
    assert (told["method"], told["precession"]) == ("complex", "counterclockwise")
    assert (told["te_ms"], told["field_strength_t"]) == (list(TE_MS), 3.0)
    assert told["spacing_known"]


def test_a_spacing_that_is_not_known_is_not_made_up(folder, monkeypatch):
    fatwater, asked = maps.fatwater, []
    fit = fatwater.fit_complex

    def remember(*arguments, spacing_mm, **rest):
        asked.append(spacing_mm)
        return fit(*arguments, spacing_mm=spacing_mm, **rest)

    monkeypatch.setattr(fatwater, "fit_complex", remember)
    _, record = maps_of(folder, f"--input={folder / 'echoes.mat'}")
    assert record["maps"]["spacing_known"]
    fields = scipy.io.loadmat(folder / "echoes.mat", simplify_cells=True)["imDataParams"]
    del fields["voxelSize"]
    fields["images"] = fields["images"].reshape(*SHAPE, 1, len(TE_MS))
    scipy.io.savemat(folder / "echoes.mat", {"imDataParams": fields})
    _, record = maps_of(folder, f"--input={folder / 'echoes.mat'}")
    assert not record["maps"]["spacing_known"]
    assert asked == [pytest.approx((1.2, 1.5, 4.2)), None]


def noisy_scan(folder):
    """The echoes with noise of an SNR of 15, at 1.5 T, where magnitude often cannot decide."""
    rng = np.random.default_rng(0)
    percent = np.full(SHAPE, 6.0)
    data = signal.multiecho(100 - percent, percent, 0 * percent + 30, TE_MS, 1.5)
    noise = rng.normal(size=(2, *data.shape)) * 100 / 15
    save(folder / "noisy.nii.gz", abs(data + noise[0] + 1j * noise[1]).astype(np.float32))
    return (f"--input={folder / 'noisy.nii.gz'}", TIMES, "--field_strength_t=1.5")


def test_neighbours_keep_water_from_turning_into_fat(folder):
    scan = noisy_scan(folder)
    means = []
    for flag, regularised in (("--regularised", True), ("--noregularised", False)):
        output, record = maps_of(folder, *scan, flag)
        assert record["maps"]["regularised"] is regularised
        assert record["request"]["options"]["fit"]["regularised"] is regularised
        means.append(nifti.read_image(output / "pdff_percent.nii.gz").data.mean())
    assert abs(means[0] - 6) < 2 < means[1] - 6


def test_files_of_an_earlier_run_do_not_stay(folder):
    output, _ = maps_of(folder, f"--input={folder / 'echoes.mat'}")
    save(output / "mask.nii.gz", np.zeros(SHAPE, np.uint8))
    maps_of(folder, f"--input={folder / 'm.nii.gz'}", TIMES, "--field_strength_t=3")
    assert {path.name for path in output.iterdir()} == MAGNITUDE_FILES


def test_the_t1_correction_is_stated(folder):
    scan = (f"--input={folder / 'm.nii.gz'}", TIMES, "--field_strength_t=3")
    output, _ = maps_of(folder, *scan)
    plain = nifti.read_image(output / "pdff_percent.nii.gz").data
    correction = ("--t1_correction", "--tr_ms=7", "--flip_angle_deg=5", "--t1_water_ms=900")
    output, record = maps_of(folder, *scan, *correction)
    told = record["maps"]["t1_correction"]
    assert (told["tr_ms"], told["flip_angle_deg"]) == (7, 5)
    assert (told["t1_water_ms"], told["t1_fat_ms"]) == (900, 382)
    fat = truth() / 100 / told["weight"]
    expected = 100 * fat / (fat + 1 - truth() / 100)
    held = nifti.read_image(output / "pdff_percent.nii.gz").data
    np.testing.assert_allclose(held, plain + expected - truth(), atol=0.2)


REFUSED = {
    "te count": (["m.nii.gz"], ["--te_ms=1.15,2.3,3.45"], "6 echoes and 3 echo times"),
    "te missing": (["m.nii.gz"], [], r"echo times \(te_ms\) are missing"),
    "te words": (["m.nii.gz"], ["--te_ms=a,b"], "--te_ms: 'a,b' is not a list of numbers"),
    "two echoes": (["m0.nii.gz", "m1.nii.gz"], ["--te_ms=1,2"], "has 2 echoes, while"),
    "one echo": (["m0.nii.gz"], ["--te_ms=1"], "has 1 echoes, while"),
    "falling": (["m.nii.gz"], ["--te_ms=6,5,4,3,2,1"], "do not rise"),
    "negative": (["m.nii.gz"], ["--te_ms=-1,2,3,4,5,6"], "are above 0 ms"),
    "seconds": (["m.nii.gz"], ["--te_ms=.001,.002,.003,.004,.005,.006"], "look like seconds"),
    "CT": (["m.nii.gz"], [TIMES, "--modality=CT"], "--maps: a CT has no echoes"),
    "no file": (["none.nii.gz"], [TIMES], "none.nii.gz: (no such file|cannot be read)"),
    "empty name": (["m.nii.gz", ""], [TIMES], "has an empty file name"),
    "no tr": (["m.nii.gz"], [TIMES, "--t1_correction"], "at 3 T needs tr_ms"),
    "tr alone": (["m.nii.gz"], [TIMES, "--tr_ms=7"], "no use without --t1_correction"),
    "unit alone": (["m.nii.gz"], [TIMES, "--phase_unit=radian"], "no use without --phase"),
    "no unit": (
        ["m.nii.gz"],
        [TIMES, "--phase={}/radian.nii.gz", "--precession=clockwise"],
        "radian.nii.gz: scan has phase images and no phase_unit",
    ),
    "no direction": (
        ["m.nii.gz"],
        [TIMES, "--phase={}/radian.nii.gz", "--phase_unit=radian"],
        "radian.nii.gz: scan has phase images and no precession",
    ),
    "other unit": (
        ["m.nii.gz"],
        [TIMES, "--phase={}/radian.nii.gz", "--phase_unit=scanner", "--precession=clockwise"],
        "looks like radian",
    ),
    "mat and times": (["echoes.mat"], [TIMES], "echoes.mat: has all echoes, and tells"),
    "two mats": (["echoes.mat", "m.nii.gz"], [], "echoes.mat: has all echoes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(folder, case):
    names, arguments, fault = REFUSED[case]
    inputs = ",".join(str(folder / name) if name else "" for name in names)
    field = [] if names == ["echoes.mat"] else ["--field_strength_t=3"]
    given = [argument.format(folder) for argument in arguments]
    with pytest.raises(InputError, match=fault) as refused:
        run_here(f"--input={inputs}", *given, *field, *MAPS, f"--output={folder / 'out'}")
    assert "\n" not in str(refused.value)
    assert not (folder / "out").exists()


@pytest.mark.parametrize("field_strength_t", [None, 0.1, 63.9, 30000])
def test_refused_field_strengths(folder, field_strength_t):
    field = [f"--field_strength_t={field_strength_t}"] if field_strength_t else []
    with pytest.raises(InputError, match="field_strength_t is"):
        run_here(f"--input={folder / 'm.nii.gz'}", TIMES, *field, *MAPS, f"--output={folder}/out")


@pytest.mark.parametrize(
    ("flag", "fault"),
    [
        ("--spectrum=pork", "--spectrum=pork: value should be one of <hamilton_liver_6|"),
        ("--t1_water_ms=0.8", "--t1_water_ms=0.8: "),
        ("--t1_fat_ms=1e5", "--t1_fat_ms=1e5: "),
        ("--flip_angle_deg=-5", "--flip_angle_deg=-5: "),
    ],
)
def test_values_that_cannot_be_are_refused_with_the_flags(flag, fault):
    values = flags.FlagValues()
    predict.define_flags(values)
    with pytest.raises(flags.IllegalFlagValueError, match=re.escape(fault)):
        values(["predict", flag])


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--input=a.nii", "--checkpoint="], "--checkpoint: it is missing"),
        (["--input=a.nii", "--checkpoint=none"], "there are no --maps to make"),
        (["--export=a.safetensors", "--checkpoint=none"], "no network to export"),
        (["--input=a.nii", *MAPS, "--half"], "--half: it is of no use without --export"),
        (["--input=a.nii", *MAPS, "--shard=1/2"], "one scan has no shares"),
        (["--input=a.nii", *MAPS, "--echo=second"], "'second' is neither a number"),
        (["--input=a.nii", *MAPS, "--pdff_map=b.nii"], "--pdff_unit: it is missing"),
        (["--folder=f", TIMES, "--field_strength_t=3", *MAPS], "it is one scan's"),
        (["--input=a.nii", "--checkpoint=run"], "--modality: it is missing"),
        (["--checkpoint=none", "--maps"], "none is given"),
        (["--input=a.nii", "--manifest=m.csv", *MAPS], "--input and --manifest are given"),
        (
            ["--manifest=m.csv", TIMES, "--field_strength_t=3", *MAPS],
            "--te_ms: the manifest has a column for it",
        ),
        (
            ["--input=a.nii", "--modality=MR", TIMES, "--checkpoint=run"],
            "--te_ms: it is of no use without --field_strength_t",
        ),
        (["--input=a.mat", "--modality=MR", "--checkpoint=run"], "how the patient lies"),
    ],
)
def test_refused_flags(arguments, fault, tmp_path):
    with pytest.raises(InputError, match=fault):
        run_here(*arguments, f"--output={tmp_path / 'out'}")


class Network:
    """Calls bright voxels liver: those of the first echo above `level`."""

    checkpoint, step, record = "runs/fake/best", 10, types.MappingProxyType({})
    record_sha256 = None
    config = types.MappingProxyType({})
    level = 100.0

    def __init__(self):
        self.asked = []

    def segment(self, volume, modality, subject, augmented=False, contrasts=False):
        self.asked.append(subject)
        assert volume.data.dtype == np.float32 and volume.data.ndim == 3
        return segmentation((volume.data > self.level).astype(np.float32))

    def consensus(self, volume, modality, subject, augmented=False, contrasts=False):
        self.asked.append(subject)
        votes = (volume.data > self.level).mean(axis=-1, dtype=np.float32)
        return dataclasses.replace(segmentation(votes), echo_dice=0.5)


def segmentation(probability):
    return Segmentation(probability, 0.95, 0.1, 0.95, seconds={"network": 0.5})


@pytest.fixture
def network(monkeypatch):
    network = Network()
    monkeypatch.setattr(predict.Predictor, "from_checkpoint", lambda folder: network)
    return network


def test_mask_and_maps_together(folder, network, capsys):
    output = folder / "out"
    arguments = (f"--input={folder / 'm.nii.gz'}", "--modality=MR", TIMES, "--field_strength_t=3")
    assert run_here(*arguments, "--maps", "--checkpoint=run", f"--output={output}") == 0
    check_truth(output)
    mask = nifti.read_labels(output / "mask.nii.gz").data
    np.testing.assert_array_equal(mask, truth() > 0)
    record = json.loads((output / "measurements.json").read_text())
    volume_ml = (truth() > 0).sum() * abs(np.linalg.det(AFFINE[:3, :3])) / 1000
    assert record["volume_ml"] == pytest.approx(volume_ml)
    assert record["mask_sha256"] == files.sha256(output / "mask.nii.gz")
    assert record["checkpoint"] == "runs/fake/best"
    stages = {"load", "read", "network", "postprocess", "fit", "measure", "write"}
    assert set(record["seconds"]) == stages
    mean_percent = truth()[truth() > 0].mean()
    assert record["pdff"]["source"] == record["r2star"]["source"] == "magnitude_fit"
    assert record["pdff"]["mean"]["value"] == pytest.approx(mean_percent, abs=0.5)
    assert record["pdff"]["mean"]["voxel_count"] == record["mask_voxels"]
    assert record["r2star"]["mean"]["value"] == pytest.approx(50, abs=3)
    liver = record["maps"]["liver_voxels"]
    assert sum(liver.values()) == record["mask_voxels"]
    assert liver["background"] == 0
    told = capsys.readouterr().out
    assert f"liver volume {volume_ml:.1f} mL; mean PDFF 1" in told
    assert f"magnitude fit of {record['mask_voxels']} voxels (" in told
    network.level = 1e9
    assert run_here(*arguments, "--maps", "--checkpoint=run", f"--output={output}") == 3
    record = json.loads((output / "measurements.json").read_text())
    assert (record["status"], record["volume_ml"]) == ("empty", None)
    assert record["volume_ml_reason"] == "the mask is empty"
    assert record["maps"]["liver_voxels"] is record["pdff"] is None
    assert record["pdff_reason"] == "the mask is empty"
    check_truth(output)


def test_counts_in_the_liver_are_those_of_its_mask(folder, network):
    """In some of the liver nothing is left after the first echo: there the fit fails."""
    scan = noisy_scan(folder)
    data = nifti.read_image(folder / "noisy.nii.gz").data.copy()
    data[:2, :, :, 0], data[:2, :, :, 1:] = 100.0, 0.0
    save(folder / "noisy.nii.gz", data)
    network.level = 30.0
    output = folder / "out"
    arguments = (*scan, "--modality=MR", "--maps", "--checkpoint=run", f"--output={output}")
    assert run_here(*arguments, "--noregularised") == 0
    record = json.loads((output / "measurements.json").read_text())
    mask = nifti.read_labels(output / "mask.nii.gz").data > 0
    status = nifti.read_labels(output / "fit_status.nii.gz").data
    kinds = ("background", "fitted", "ambiguous", "failed")
    counts = {name: int((status[mask] == value).sum()) for value, name in enumerate(kinds)}
    assert record["maps"]["liver_voxels"] == counts
    assert min(counts["fitted"], counts["ambiguous"], counts["failed"]) > 0


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--te_ms=6,5,4,3,2,1", "--field_strength_t=3"], "do not rise"),
        ([TIMES], "field_strength_t is missing"),
        ([TIMES, "--field_strength_t=3", "--t1_correction"], "needs tr_ms"),
        (
            [TIMES, "--field_strength_t=3", "--phase={}/radian.nii.gz", "--phase_unit=radian"],
            "no precession",
        ),
    ],
)
def test_echoes_that_cannot_be_fitted_are_refused_before_the_network_works(
    folder, network, arguments, fault
):
    given = [argument.format(folder) for argument in arguments]
    scan = (f"--input={folder / 'm.nii.gz'}", "--modality=MR", "--maps", "--checkpoint=run")
    with pytest.raises(InputError, match=fault):
        run_here(*scan, *given, f"--output={folder / 'out'}")
    assert not network.asked


def test_images_that_are_no_magnitudes_are_refused_before_the_network_works(folder, network):
    signs = np.where(np.indices(SHAPE).sum(0) % 2, 1, -1)[..., None]
    save(folder / "real.nii.gz", (abs(echoes()) * signs).astype(np.float32))
    scan = (f"--input={folder / 'real.nii.gz'}", TIMES, "--field_strength_t=3", "--modality=MR")
    with pytest.raises(InputError, match="no magnitude"):
        run_here(*scan, "--maps", "--checkpoint=run", f"--output={folder / 'out'}")
    assert not network.asked


def test_a_refusal_leaves_no_record_of_another_request(folder):
    scan = (f"--input={folder / 'm.nii.gz'}", "--field_strength_t=3")
    output, _ = maps_of(folder, *scan, TIMES)
    with pytest.raises(InputError, match="do not rise"):
        run_here(*scan, "--te_ms=6,5,4,3,2,1", *MAPS, f"--output={output}")
    assert not (output / "measurements.json").exists()


def test_a_failure_leaves_the_record_of_the_same_request(folder, monkeypatch):
    scan = (f"--input={folder / 'm.nii.gz'}", "--field_strength_t=3", TIMES)
    output, _ = maps_of(folder, *scan)

    def broken(*arguments, **rest):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(maps.fatwater, "fit_magnitude", broken)
    with pytest.raises(RuntimeError):
        run_here(*scan, *MAPS, f"--output={output}")
    assert (output / "measurements.json").exists()
    with pytest.raises(RuntimeError):
        run_here(*scan, "--noregularised", *MAPS, f"--output={output}")
    assert not (output / "measurements.json").exists()


@pytest.fixture
def cohort(folder):
    """Magnitude; magnitude and phase; one that is damaged; a CT."""
    shared = {"subject_id": "s", "modality": "MR", "technique": "spgr2d", "te_ms": TE_MS}
    plain = manifest.Exam(
        exam_id="plain", images=(folder / "m.nii.gz",), field_strength_t=3.0, **shared
    )
    phase = dataclasses.replace(
        plain,
        exam_id="phase",
        phase_images=(folder / "scanner.nii.gz",),
        phase_unit="scanner",
        precession="clockwise",
    )
    (folder / "torn.nii.gz").write_bytes(b"\x1f\x8b not a scan")
    torn = dataclasses.replace(plain, exam_id="torn", images=(folder / "torn.nii.gz",))
    save(folder / "ct.nii.gz", np.full(SHAPE, 50, np.int16))
    ct = manifest.Exam(
        exam_id="ct",
        subject_id="s2",
        modality="CT",
        technique="ct",
        images=(folder / "ct.nii.gz",),
    )
    manifest.write(folder / "manifest.csv", [torn, plain, ct, phase])
    return folder / "manifest.csv"


def test_a_manifest_goes_on_past_bad_examinations(cohort, folder, capsys):
    output = folder / "out"
    arguments = (f"--manifest={cohort}", *MAPS, f"--output={output}")
    assert run_here(*arguments) == 2
    told = capsys.readouterr()
    assert "4 examinations: 1 refused, 2 finished, 1 without echoes" in told.out
    assert [line.split(":")[0] for line in told.err.splitlines() if "torn.nii.gz" in line] == [
        "torn"
    ]
    assert {path.name for path in output.iterdir() if path.is_dir()} == {"torn", "plain", "phase"}
    told = json.loads((output / "torn" / "measurements.json").read_text())
    assert told["status"] == "refused" and str(folder) not in json.dumps(told)
    rows = (output / "measurements.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [
        ["torn", "refused"],
        ["plain", "ok"],
        ["phase", "ok"],
    ]
    check_truth(output / "plain")
    check_truth(output / "phase")
    assert not (output / "plain" / "field_map_hz.nii.gz").exists()
    assert (output / "phase" / "field_map_hz.nii.gz").exists()

    def times():
        done = [*(output / "plain").iterdir(), *(output / "phase").iterdir()]
        return {path: path.stat().st_mtime_ns for path in done}

    written = times()
    assert run_here(*arguments) == 2
    assert "2 finished before" in capsys.readouterr().out
    assert written == times()

    # What was interrupted, and what is asked for in another way, is done again.
    (output / "plain" / "measurements.json").unlink()
    save(folder / "torn.nii.gz", abs(echoes()))
    assert run_here(*arguments) == 0
    assert "2 finished, 1 finished before" in capsys.readouterr().out
    assert run_here(*arguments, "--spectrum=ismrm_2012") == 0
    assert "3 finished," in capsys.readouterr().out
    record = json.loads((output / "phase" / "measurements.json").read_text())
    assert record["maps"]["spectrum"] == "ismrm_2012"

    # What is refused now, with another file, is not left as finished.
    (folder / "torn.nii.gz").write_bytes(b"\x1f\x8b not a scan")
    assert run_here(*arguments, "--spectrum=ismrm_2012") == 2
    assert [path.name for path in (output / "torn").iterdir()] == ["measurements.json"]
    assert (output / "plain" / "measurements.json").exists()


def test_a_defect_in_one_examination_is_told_at_the_end(cohort, folder, monkeypatch, capsys):
    read = batch.scans.read

    def broken(exam, series):
        if exam.exam_id == "plain":
            raise RuntimeError("out of\nmemory")
        return read(exam, series=series)

    monkeypatch.setattr(batch.scans, "read", broken)
    assert run_here(f"--manifest={cohort}", *MAPS, f"--output={folder / 'out'}") == 1
    told = capsys.readouterr()
    assert "plain: failed: RuntimeError: out of memory" in told.err
    assert "1 refused, 1 failed, 1 finished" in told.out


def test_a_manifest_is_segmented_without_maps(cohort, folder, network):
    output = folder / "out"
    network.level = 10.0
    code = run_here(f"--manifest={cohort}", "--checkpoint=run", f"--output={output}")
    assert code == 2  # the torn one
    files = {"mask.nii.gz", "measurements.json", "preview.png", "report.html"}
    assert {path.name for path in (output / "ct").iterdir()} == files
    record = json.loads((output / "ct" / "measurements.json").read_text())
    assert record["maps"] is None and record["mask_voxels"] == truth().size
    # PDFF is measured where echoes allow it, though no maps are asked for.
    record = json.loads((output / "plain" / "measurements.json").read_text())
    assert record["pdff"]["source"] == "magnitude_fit" and record["maps"]["voxels"]
    assert not list((output / "plain").glob("pdff*"))


def test_a_manifest_without_echoes_is_refused(cohort, folder):
    exams = [exam for exam in manifest.read(cohort) if exam.modality == "CT"]
    manifest.write(cohort, exams)
    with pytest.raises(InputError, match="no examination has 3 echo times"):
        run_here(f"--manifest={cohort}", *MAPS, f"--output={folder / 'out'}")


def test_help_fits_one_screen():
    lines = predict.USAGE.strip().splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 100


def test_the_program(run, folder):
    arguments = (f"--input={folder / 'm.nii.gz'}", *MAPS, f"--output={folder / 'out'}")
    code, out, err = run("predict", *arguments, TIMES, "--field_strength_t=3")
    assert code == 0, err
    assert "magnitude fit" in out and out.count("\n") == 1
    check_truth(folder / "out")
    code, _, err = run("predict", *arguments, "--te_ms=1,2", "--field_strength_t=3")
    assert code == 2
    assert err.count("\n") == 1 and "m.nii.gz" in err


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "shape"), [("ismrm_12", (157, 256, 3)), ("b0nice_99", (256, 256, 1))]
)
def test_real_echoes_give_finite_maps(real_data, tmp_path, name, shape):
    output, record = maps_of(tmp_path, f"--input={real_data / 'fatwater' / name}.mat")
    held = {path.name: nifti.read_image(path).data for path in output.glob("*.nii.gz")}
    assert len(held) == 6
    assert all(data.shape == shape and np.isfinite(data).all() for data in held.values())
    status, percent = held["fit_status.nii.gz"], held["pdff_percent.nii.gz"]
    fitted = status == 1
    assert fitted.sum() > 0.8 * (status > 0).sum()
    # Most of the voxels are water or fat, not halfway between, as they are with the other sign.
    assert np.mean((percent[fitted] < 30) | (percent[fitted] > 70)) > 0.8
    assert np.percentile(percent[fitted], 99) > 80
    assert record["maps"]["voxels"]["fitted"] == fitted.sum()
