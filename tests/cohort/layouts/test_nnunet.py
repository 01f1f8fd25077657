"""nnU-Net datasets in miniature: both versions, channels, regions, files listed elsewhere."""

import json
import shutil

import pytest
import SimpleITK

from liver_jax.cohort.intake import write
from liver_jax.cohort.layouts import nnunet
from liver_jax.errors import InputError


def _tell(root, **told):
    root.mkdir(parents=True, exist_ok=True)
    told = {"labels": {"background": 0, "liver": 1, "tumor": 2}} | told
    (root / "dataset.json").write_text(json.dumps(told))


@pytest.fixture
def dataset(ct, write_nifti, tmp_path):
    """Writes a dataset of CT, `dataset(cases, **told)` as dataset.json tells; its folder."""

    def write(cases, ending=".nii.gz", channel="_0000", values=None, **told):
        root = tmp_path / "nnUNet_raw" / "Dataset007_Liver"
        labels = ct.labels(**values or {"liver": 1, "tumour": 2})
        for number, case in enumerate(cases):
            image = root / "imagesTr" / f"{case}{channel}{ending}"
            write_nifti(image, ct.image + number, ct.affine)
            write_nifti(root / "labelsTr" / f"{case}{ending}", labels, ct.affine)
        _tell(root, **{"channel_names": {"0": "CT"}, "file_ending": ending} | told)
        return root

    return write


def test_every_voxel_is_where_it_belongs(dataset, prepare_own, assert_is, ct):
    exams, left_out = prepare_own(nnunet.read, dataset(["liver_2", "liver_10"]))
    assert list(exams) == ["own-liver_2", "own-liver_10"] and not left_out
    for number, exam in enumerate(exams.values()):
        assert_is(exam, ct, echoes=[ct.image + number])
        assert exam.subject_id == exam.exam_id
        assert (exam.modality, exam.technique, exam.cohort) == ("CT", "ct", "own")
        # The tumour is of the liver where nothing else is labelled.
        assert exam.liver_labels == (1, 2)
        assert "published_split" not in exam.extra


@pytest.mark.parametrize(
    ("labels", "values", "wanted"),
    [
        ({"background": 0, "spleen": 1, "liver": 6}, {"liver": 6, "spleen": 1}, (6,)),
        ({"background": 0, "liver": [1, 2], "lesion": [2]}, {"liver": 1, "tumour": 2}, (1, 2)),
        ({"background": 0, "Whole Liver": [1, 2], "spleen": 3}, {"liver": 1, "tumour": 2}, (1, 2)),
        ({"liver": 1, "liver_tumour": 2, "kidney": 3}, {"liver": 1, "tumour": 2}, (1, 2)),
        ({"background": 0, "liver": 1, "ignore": 2}, {"liver": 1}, (1,)),
        ({"0": "background", "5": "spleen", "2": "Liver"}, {"liver": 2, "spleen": 5}, (2,)),
        ({"background": "0", "liver": "1"}, {"liver": 1}, (1,)),
    ],
)
def test_what_is_liver(dataset, prepare_own, assert_is, ct, labels, values, wanted):
    exams, _ = prepare_own(nnunet.read, dataset(["a"], labels=labels, values=values))
    assert exams["own-a"].liver_labels == wanted
    assert_is(exams["own-a"], ct)


def test_the_liver_of_many_organs_is_without_its_tumour(dataset, prepare_own, assert_is, ct):
    labels = {"background": 0, "liver": 1, "tumor": 2, "spleen": 3}
    root = dataset(["a"], labels=labels, values={"liver": 1, "tumour": 2, "spleen": 3})
    exams, _ = prepare_own(nnunet.read, root)
    assert_is(exams["own-a"], ct, liver=ct.organs == 1)
    exams, _ = prepare_own(nnunet.read, root, liver_labels=(1, 2))
    assert_is(exams["own-a"], ct)


def test_version_1(dataset, prepare_own, assert_is, ct):
    root = dataset(["a"])
    _tell(root, modality={"0": "CT"}, labels={"0": "background", "1": "liver", "2": "cancer"})
    exam = prepare_own(nnunet.read, root)[0]["own-a"]
    assert_is(exam, ct)
    assert (exam.modality, exam.liver_labels) == ("CT", (1, 2))


def test_channels_of_an_mr_are_echoes(mr, write_nifti, prepare_own, assert_is, tmp_path):
    root = tmp_path / "in"
    for name in ("P-2_2019_0000", "P-2_2019_0001", "P 1_0000", "P 1_0001", "P3_0001"):
        data = mr.echoes[int(name[-1])] + ("P 1" in name)
        write_nifti(root / "imagesTr" / f"{name}.nii.gz", data, mr.affine)
        path = root / "labelsTr" / f"{name[:-5]}.nii.gz"
        write_nifti(path, mr.labels(liver=1), mr.affine)
    _tell(root, channel_names={"0": "out of phase", "1": "in phase"})
    exams, left_out = prepare_own(nnunet.read, root)
    spaced = write.plain("own-P 1")
    assert list(exams) == [spaced, "own-P-2_2019"]
    for case, exam in exams.items():
        assert_is(exam, mr, echoes=[echo + (case == spaced) for echo in mr.echoes[:2]])
        assert (exam.modality, exam.technique, exam.te_ms) == ("MR", "mr", ())
    assert left_out == {"P3": "has 1 of 2 channels"}


def test_one_channel_gives_its_name(dataset, prepare_own):
    root = dataset(["a"], channel_names={"0": "T1 (VIBE)"})
    exam = prepare_own(nnunet.read, root)[0]["own-a"]
    assert (exam.modality, exam.technique) == ("MR", "t1_vibe")
    exam = prepare_own(nnunet.read, root, technique="hbp_t1w")[0]["own-a"]
    assert (exam.modality, exam.technique) == ("MR", "hbp_t1w")


def test_published_test_cases_and_those_without_partner(dataset, prepare_own, assert_is, ct):
    root = dataset(["a", "b", "c", "d"])
    for file in ("images{}/b_0000.nii.gz", "labels{}/b.nii.gz", "images{}/d_0000.nii.gz"):
        target = root / file.format("Ts")
        target.parent.mkdir(exist_ok=True)
        (root / file.format("Tr")).rename(target)
    (root / "labelsTr" / "d.nii.gz").unlink()
    (root / "imagesTr" / "c_0000.nii.gz").unlink()
    exams, left_out = prepare_own(nnunet.read, root)
    splits = {case: exam.extra["published_split"] for case, exam in exams.items()}
    assert splits == {"own-a": "train", "own-b": "test"}
    assert_is(exams["own-b"], ct, echoes=[ct.image + 1])
    assert left_out["c"] == "there is no image for its mask"
    assert left_out["d"] == "there is no mask for it"


@pytest.mark.parametrize(("told", "ending"), [(".nii", ".nii"), ("nii.gz", ".NII.GZ")])
def test_other_endings(dataset, prepare_own, assert_is, ct, told, ending):
    exams, _ = prepare_own(nnunet.read, dataset(["a"], ending=ending, file_ending=told))
    assert_is(exams["own-a"], ct)


def test_nrrd_with_a_hidden_file_beside_it(dataset, prepare_own, assert_is, ct):
    root = dataset(["a"], file_ending=".nrrd")
    for path in list(root.rglob("*.nii.gz")):
        target = path.with_name(path.name.replace(".nii.gz", ".nrrd"))
        SimpleITK.WriteImage(SimpleITK.ReadImage(path), target, useCompression=True)
        path.with_name(f"._{target.name}").write_bytes(b"Mac OS X")
        path.unlink()
    exams, left_out = prepare_own(nnunet.read, root)
    assert list(exams) == ["own-a"] and not left_out
    assert_is(exams["own-a"], ct)


def test_four_digits_may_be_the_case(dataset, prepare_own):
    exams, left_out = prepare_own(nnunet.read, dataset(["img_0001", "img_0002"], channel=""))
    assert list(exams) == ["own-img_0001", "own-img_0002"] and not left_out


def test_listed_files(dataset, prepare_own, assert_is, ct, tmp_path):
    root = dataset(["a"])
    image, label = "imagesTr/a_0000.nii.gz", "./labelsTr/a.nii.gz"
    listed = {"x": (image, label), "z": ("imagesTr/z.nii.gz", label), "w": (image, "w.nii.gz")}
    listed = {name: {"images": [one], "label": other} for name, (one, other) in listed.items()}
    _tell(root, channel_names={"0": "CT"}, dataset=listed)
    exams, left_out = prepare_own(nnunet.read, root)
    assert list(exams) == ["own-x"]
    assert_is(exams["own-x"], ct)
    assert left_out["z"] == "there is no image for its mask"
    assert left_out["w"] == "there is no mask for it"
    # Lists are made for data that lie elsewhere.
    bare = tmp_path / "nnUNet_raw" / "Dataset008_Listed"
    files = {"images": [f"../{root.name}/{image}"], "label": str(root / label)}
    _tell(bare, channel_names={"0": "CT"}, dataset={"y": files})
    assert_is(prepare_own(nnunet.read, bare)[0]["own-y"], ct)


def test_ct_and_pet_are_no_echoes(dataset, prepare_own):
    root = dataset(["a"], channel_names={"0": "CT", "1": "PET"})
    shutil.copy(root / "imagesTr" / "a_0000.nii.gz", root / "imagesTr" / "a_0001.nii.gz")
    with pytest.raises(InputError, match="is CT with 2 channels"):
        prepare_own(nnunet.read, root)


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ({"labels": {"0": "background", "1": "vessel", "2": "Tumour"}}, "--liver_labels=1"),
        ({"labels": {"background": 0, "liver": "one"}}, "has the label liver: 'one'"),
        ({"labels": ["background", "liver"]}, "no JSON objects"),
        ({"channel_names": {}}, "--modality=CT"),
        ({"file_ending": ".png"}, "has file_ending .png"),
    ],
)
def test_what_is_refused(dataset, prepare_own, told, fault):
    root = dataset(["a"], **told)
    with pytest.raises(InputError, match=fault) as refused:
        prepare_own(nnunet.read, root)
    assert str(root / "dataset.json") in str(refused.value)


def test_one_dataset_is_meant(dataset, prepare_own, run, tmp_path):
    raw = dataset(["a"]).parent
    # What nnU-Net makes of a dataset has its dataset.json, and no images.
    preprocessed = tmp_path / "nnUNet_raw" / "nnUNet_preprocessed" / "Dataset007_Liver"
    preprocessed.mkdir(parents=True)
    shutil.copy(raw / "Dataset007_Liver" / "dataset.json", preprocessed)
    assert list(prepare_own(nnunet.read, raw)[0]) == ["own-a"]
    shutil.copytree(raw / "Dataset007_Liver", raw / "Dataset008_Liver")
    arguments = ("--cohort=nnunet", f"--source={raw}", f"--output={tmp_path / 'new'}")
    code, _, err = run("prepare", *arguments)
    assert code == 2 and len(err.strip().splitlines()) == 1
    assert "holds 2 dataset.json" in err and not (tmp_path / "new").exists()
