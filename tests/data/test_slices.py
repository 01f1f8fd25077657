"""Slice records: built once, true to their examinations, safe against other processes."""

import dataclasses
import json
import multiprocessing
import os

import numpy as np
import pytest

from liver_jax.cohort import manifest
from liver_jax.data import preprocess, slices
from liver_jax.errors import InputError
from liver_jax.volume import nifti

SETTINGS = preprocess.Settings(32, 9.0, -160.0, 240.0, 0.5, 99.5)


def training(blobs):
    return [exam for exam in manifest.read(blobs) if exam.split == "train"]


def test_a_record_is_a_slice_with_all_its_echoes_and_its_mask(blobs, tmp_path):
    exams = training(blobs)
    store = slices.open_or_build(exams, SETTINGS, tmp_path)
    assert [entry.exam_id for entry in store.index] == [exam.exam_id for exam in exams]
    for exam, entry in zip(exams, store.index, strict=True):
        images, masks, placement = slices.slices_of(exam, SETTINGS)
        assert entry.echo_count == len(exam.images)
        assert entry.image_sha256 == manifest.image_hashes(exam)
        assert entry.liver_slices == tuple(np.flatnonzero(masks.any(axis=(1, 2))))
        for position in range(entry.slice_count):
            record = store.source[entry.first_record + position]
            np.testing.assert_array_equal(record["image"], images[position])
            np.testing.assert_array_equal(record["mask"], masks[position])
            assert record["exam_id"].decode() == exam.exam_id
            assert record["subject_id"].decode() == exam.subject_id
            assert record["slice"] == position
            assert record["pixel_mm"] == np.float32(placement.pixel_mm)
    assert len(store.source) == sum(entry.slice_count for entry in store.index)


def test_records_are_built_once(blobs, tmp_path, monkeypatch):
    slices.open_or_build(training(blobs), SETTINGS, tmp_path)
    monkeypatch.setattr(slices, "_build", None)
    slices.open_or_build(training(blobs), SETTINGS, tmp_path)


def test_another_setting_or_a_touched_file_is_another_set_of_records(blobs, tmp_path):
    exams = training(blobs)
    names = {slices.fingerprint(exams, SETTINGS), slices.fingerprint(exams[:-1], SETTINGS)}
    other = preprocess.Settings(32, 9.5, -160.0, 240.0, 0.5, 99.5)
    names.add(slices.fingerprint(exams, other))
    before = exams[0].mask.stat()
    os.utime(exams[0].mask, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    names.add(slices.fingerprint(exams, SETTINGS))
    assert len(names) == 4


def test_what_a_killed_build_left_is_built_anew(blobs, tmp_path):
    exams = training(blobs)[:1]
    folder = tmp_path / slices.fingerprint(exams, SETTINGS)
    (folder / "liver_slices").mkdir(parents=True)
    (folder / "liver_slices" / "torn").write_text("half a record")
    assert len(slices.open_or_build(exams, SETTINGS, tmp_path).source) > 0
    assert not (folder / "liver_slices" / "torn").exists()


def _records(manifest_path, folder, queue):
    store = slices.open_or_build(training(manifest_path), SETTINGS, folder)
    queue.put(len(store.source))


@pytest.mark.parametrize("how", ["flipped", "truncated", "absent", "index"])
def test_a_damaged_file_is_named_and_built_anew(blobs, tmp_path, capsys, how):
    exams = training(blobs)[:2]
    before = slices.open_or_build(exams, SETTINGS, tmp_path)
    expected = [before.source[k]["image"] for k in range(len(before.source))]
    path = next(tmp_path.rglob("*.array_record*"))
    if how == "index":
        path = next(tmp_path.rglob("index.json"))
        path.write_text(path.read_text()[:-5])
    elif how == "absent":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content if how == "flipped" else content[:-100])
    capsys.readouterr()
    after = slices.open_or_build(exams, SETTINGS, tmp_path)
    assert f"{path} is damaged; the slice records are built anew" in capsys.readouterr().out
    assert len(after.source) == len(expected)
    for place, image in enumerate(expected):
        np.testing.assert_array_equal(after.source[place]["image"], image)


def test_two_processes_can_ask_at_once(blobs, tmp_path):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    asking = [
        context.Process(target=_records, args=(blobs, tmp_path, queue), daemon=True)
        for _ in range(2)
    ]
    for process in asking:
        process.start()
    counts = [queue.get(timeout=120) for _ in asking]
    for process in asking:
        process.join()
    assert counts[0] == counts[1] > 0
    index = list(tmp_path.glob("*/index.json"))
    assert len(index) == 1
    assert json.loads(index[0].read_text())


def test_refuses_a_training_mask_without_liver(blobs, tmp_path):
    exam = training(blobs)[0]
    image = manifest.load_image(exam)
    empty = tmp_path / "empty.nii.gz"
    nifti.write(empty, np.zeros(image.grid_shape, np.uint8), image)
    row = f"{exam.exam_id},{exam.subject_id},MR,spgr2d,train"
    images = ";".join(map(str, exam.images))
    text = "exam_id,subject_id,modality,technique,split,images,mask,liver_labels\n"
    path = tmp_path / "manifest.csv"
    path.write_text(f"{text}{row},{images},{empty},1\n")
    with pytest.raises(InputError, match=r"row 2 .*no voxel of empty\.nii\.gz carries a liver"):
        slices.open_or_build(manifest.read(path), SETTINGS, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*/index.json"))


def test_refuses_a_missing_file_by_name(blobs, tmp_path):
    exam = training(blobs)[0]
    gone = dataclasses.replace(exam, mask=tmp_path / "gone.nii.gz")
    with pytest.raises(InputError, match=r"row 2 .*there is no file .*gone\.nii\.gz"):
        slices.open_or_build([gone], SETTINGS, tmp_path / "cache")
