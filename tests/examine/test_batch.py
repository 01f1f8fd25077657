"""Many examinations: whatever the split, whatever fails."""

import csv
import dataclasses
import errno
import json

import numpy as np
import pytest

from liver_jax.errors import Stopped
from liver_jax.examine import batch, writing
from liver_jax.examine.options import Options
from liver_jax.examine.share import Share
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

OPTIONS = Options(pictures=False)


@pytest.fixture
def exams(scan_of, tmp_path):
    """Two livers, a scan without one, a file that is no scan."""
    torn = scan_of("torn")
    torn.images[0].write_bytes(b"\x1f\x8b not a scan")
    smaller = (((60, 80), (40, 60), (2, 9)),)
    return [scan_of("a"), torn, scan_of("none", boxes=()), scan_of("b", boxes=smaller)]


def table(output):
    with open(output / "measurements.csv", newline="") as file:
        return {row["exam_id"]: row for row in csv.DictReader(file)}


def test_what_is_bad_does_not_stop_the_rest(exams, network, tmp_path, capsys):
    output = tmp_path / "out"
    outcomes = batch.run(exams, network, OPTIONS, output, Share())
    # A liver of 20 x 30 x 7 voxels of 72 mm3 is too small to be one, and is flagged.
    assert outcomes == {"flagged": 2, "refused": 1, "with an empty mask": 1}
    assert "torn: " in capsys.readouterr().err
    rows = table(output)
    assert list(rows) == ["a", "torn", "none", "b"]
    assert [row["status"] for row in rows.values()] == ["ok", "refused", "empty", "ok"]
    assert float(rows["a"]["volume_ml"]) == pytest.approx(20 * 30 * 7 * 0.072)
    assert "implausible_volume" in rows["a"]["flags"] and rows["torn"]["volume_ml"] == ""
    assert str(tmp_path) not in rows["torn"]["reason"]

    assert len(network.asked) == 3
    again = batch.run(exams, network, OPTIONS, output, Share())
    assert again == {"finished before": 3, "refused": 1} and len(network.asked) == 3
    assert table(output) == rows


def test_a_reason_in_a_file_names_no_file(scan_of, network, tmp_path, capsys):
    first, other = scan_of("SECRET_first"), scan_of("SECRET_other")
    data = np.zeros((9, 8, 7), np.float32)
    nifti.write(other.images[0], data, Volume(data, np.eye(4)))
    exam = dataclasses.replace(
        first, exam_id="E1", images=first.images + other.images, te_ms=(1.0, 2.0)
    )
    batch.run([exam], network, OPTIONS, tmp_path / "out", Share())
    assert "the first echo" in table(tmp_path / "out")["E1"]["reason"]
    told = (tmp_path / "out" / "E1" / "measurements.json").read_text()
    assert "SECRET" not in told + (tmp_path / "out" / "measurements.csv").read_text()
    typed = dataclasses.replace(exam, manifest=tmp_path / "manifest.csv")
    capsys.readouterr()
    batch.run([typed], network, OPTIONS, tmp_path / "out", Share())
    assert str(other.images[0]) in capsys.readouterr().err  # whoever wrote the manifest, finds it


def test_the_split_makes_no_difference(exams, network, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    batch.run(exams, network, OPTIONS, whole, Share())
    for index in (2, 0, 1):
        batch.run(exams, network, OPTIONS, parts, Share(index, 3))
    assert table(parts) == table(whole)
    for name in ("a", "b", "none"):
        mask = (whole / name / "mask.nii.gz").read_bytes()
        assert (parts / name / "mask.nii.gz").read_bytes() == mask


def test_one_scan_at_most_is_read_ahead(exams, network, tmp_path, monkeypatch):
    read, ahead, kept = batch.scans.read, [], 0

    def reading(*arguments, **rest):
        nonlocal kept
        kept += 1
        ahead.append(kept)
        return read(*arguments, **rest)

    write = writing.write

    def done(*arguments):
        nonlocal kept
        kept -= 1
        write(*arguments)

    monkeypatch.setattr(batch.scans, "read", reading)
    monkeypatch.setattr(batch.writing, "write", done)
    batch.run([exams[0], exams[2], exams[3]], network, OPTIONS, tmp_path / "out", Share())
    assert len(ahead) == 3 and max(ahead) <= 2


def test_a_failure_is_told_without_what_it_says(exams, network, tmp_path, monkeypatch, capsys):
    def broken(*arguments):
        raise RuntimeError(f"cannot allocate for\n{tmp_path}")

    monkeypatch.setattr(network, "segment", broken)
    outcomes = batch.run(exams[:1], network, OPTIONS, tmp_path / "out", Share())
    assert outcomes == {"failed": 1}
    assert "a: failed: RuntimeError: cannot allocate for" in capsys.readouterr().err
    record = json.loads((tmp_path / "out" / "a" / "measurements.json").read_text())
    assert (record["status"], record["reason"]) == ("failed", "RuntimeError")


def test_a_full_disk_stops_everything(exams, network, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(batch.writing, "write", full)
    with pytest.raises(OSError, match="No space"):
        batch.run(exams[:1], network, OPTIONS, tmp_path / "out", Share())


def test_results_of_another_request_do_not_stay(exams, network, tmp_path):
    output = tmp_path / "out"
    batch.run(exams[:1], network, OPTIONS, output, Share())
    exams[0].images[0].write_bytes(b"no scan any more")
    outcomes = batch.run(exams[:1], network, OPTIONS, output, Share())
    assert outcomes == {"refused": 1}
    assert [path.name for path in (output / "a").iterdir()] == ["measurements.json"]


def test_a_request_to_stop_ends_the_batch_and_leaves_what_is_done(
    exams, network, tmp_path, monkeypatch
):
    segment = network.segment

    def stopped(volume, modality, subject, augmented=False, contrasts=False):
        if len(network.asked) == 1:
            raise Stopped("on request")
        return segment(volume, modality, subject, augmented, contrasts)

    monkeypatch.setattr(network, "segment", stopped)
    output = tmp_path / "out"
    with pytest.raises(Stopped):
        batch.run([exams[0], exams[3]], network, OPTIONS, output, Share())
    assert list(table(output)) == ["a"]
    monkeypatch.setattr(network, "segment", segment)
    again = batch.run([exams[0], exams[3]], network, OPTIONS, output, Share())
    assert sum(again.values()) == 2 and again["finished before"] == 1


def test_what_a_killed_run_left_is_swept_away(exams, network, tmp_path):
    output = tmp_path / "out"
    for folder in (output, output / "a"):
        (folder / ".partial-x").mkdir(parents=True)
        (folder / ".partial-x" / "mask.nii.gz").write_bytes(b"half")
    batch.run(exams[:1], network, OPTIONS, output, Share())
    assert not list(output.rglob(".partial-*"))
    assert (output / "a" / "mask.nii.gz").stat().st_size > 100
