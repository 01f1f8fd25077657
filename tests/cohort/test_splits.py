import collections
import dataclasses
import pathlib

import hypothesis
import pytest
from hypothesis import strategies as st

from liver_jax.cohort import manifest, splits
from liver_jax.cohort.exam import SPLITS, Exam
from liver_jax.errors import InputError


def exam(number, subject, split=""):
    return Exam(
        exam_id=f"e{number}",
        subject_id=subject,
        modality="CT",
        technique="ct",
        split=split,
        images=(pathlib.Path(f"/{number}.nii"),),
    )


def counts(exams):
    of_subject = {exam.subject_id: exam.split for exam in exams}
    return dict(collections.Counter(of_subject.values()))


def test_ten_subjects_divide_as_asked():
    exams = [exam(number, f"s{number}") for number in range(10)]
    assert counts(splits.assign(exams, seed=0)) == {"train": 7, "validation": 1, "test": 2}


def test_three_subjects_fill_three_splits():
    exams = [exam(number, f"s{number}") for number in range(3)]
    assert counts(splits.assign(exams, seed=4)) == {"train": 1, "validation": 1, "test": 1}


def test_assigned_rows_stay_and_take_their_subject_along():
    exams = [exam(0, "a", "test"), exam(1, "a"), exam(2, "b"), exam(3, "b"), exam(4, "c")]
    fractions = {"train": 0.5, "validation": 0.5, "test": 0.0}
    assigned = splits.assign(exams, fractions, seed=1)
    assert [item.split for item in assigned[:2]] == ["test", "test"]
    assert assigned[2].split == assigned[3].split != assigned[4].split
    assert [item.exam_id for item in assigned] == [item.exam_id for item in exams]


def test_nothing_left_to_assign():
    exams = [exam(0, "a", "train")]
    assert splits.assign(exams) == exams


@hypothesis.given(
    st.lists(st.integers(0, 30), min_size=4, max_size=60),
    st.integers(0, 100),
    st.sampled_from([(0.7, 0.1, 0.2), (1, 0, 0), (0.5, 0, 0.5), (0.98, 0.01, 0.01)]),
    st.randoms(use_true_random=False),
)
@hypothesis.settings(deadline=None, max_examples=150)
def test_properties(subjects, seed, shares, random):
    fractions = dict(zip(("train", "validation", "test"), shares, strict=True))
    exams = [exam(place, f"s{subject}") for place, subject in enumerate(subjects)]
    hypothesis.assume(len(set(subjects)) >= 3)
    assigned = splits.assign(exams, fractions, seed)
    assert not splits.shared_subjects(assigned)
    found = counts(assigned)
    assert set(found) == {name for name, share in fractions.items() if share}
    for name, share in fractions.items():
        assert abs(found.get(name, 0) - share * len(set(subjects))) <= 2
    # The order of the rows has no say, and the seed has all.
    shuffled = random.sample(exams, len(exams))
    again = {item.exam_id: item.split for item in splits.assign(shuffled, fractions, seed)}
    assert again == {item.exam_id: item.split for item in assigned}


def test_another_seed_another_draw():
    exams = [exam(number, f"s{number}") for number in range(40)]
    draws = {tuple(item.split for item in splits.assign(exams, seed=seed)) for seed in range(5)}
    assert len(draws) == 5


def test_shared_subjects():
    exams = [exam(0, "a", "test"), exam(1, "a", "train"), exam(2, "b", "test"), exam(3, "b")]
    assert splits.shared_subjects(exams) == {"a": ("train", "test")}
    with pytest.raises(InputError, match="subject a: is in the splits train and test"):
        splits.assign(exams)


@pytest.mark.parametrize(
    "fractions", [{"train": 0.5}, {"train": 1.5, "test": -0.5}, {"train": 0.5, "hold": 0.5}]
)
def test_fractions_must_be_shares(fractions):
    with pytest.raises(InputError, match="add up to 1"):
        splits.assign([exam(0, "a")], fractions)


def test_fewer_subjects_than_splits():
    with pytest.raises(
        InputError, match=r"1 without a split, fewer than .*train, validation, test"
    ):
        splits.assign([exam(0, "a"), exam(1, "a")])
    # One is enough where the other splits have theirs.
    exams = [exam(0, "a"), exam(1, "b", "train"), exam(2, "c", "validation")]
    assert splits.assign(exams)[0].split == "test"


def in_cohort(count, **published):
    """One examination for each subject; `published` gives some their authors' split."""
    return [
        Exam(
            exam_id=f"e{number}",
            subject_id=f"s{number}",
            modality="CT",
            technique="ct",
            images=(pathlib.Path("image.nii.gz"),),
            extra={"published_split": published[f"s{number}"]} if f"s{number}" in published else {},
        )
        for number in range(count)
    ]


def test_published_splits_are_followed_and_get_validation_subjects():
    exams = in_cohort(20, **{f"s{n}": "train" if n < 16 else "test" for n in range(19)})
    made = splits.follow(exams, splits.published(exams), validation=0.125, seed=1)
    by_split = {name: [e.subject_id for e in made if e.split == name] for name in (*SPLITS, "")}
    assert by_split["test"] == ["s16", "s17", "s18"] and by_split[""] == ["s19"]
    assert len(by_split["validation"]) == 2 and len(by_split["train"]) == 14
    assert splits.describe(made) == ("14 train, 2 validation, 3 test, 1 without a split (subjects)")


def test_published_validation_subjects_are_kept():
    exams = in_cohort(4, s0="train", s1="train", s2="validation", s3="test")
    made = splits.follow(exams, splits.published(exams))
    assert [exam.split for exam in made] == ["train", "train", "validation", "test"]


def test_another_manifests_splits_are_followed(tmp_path):
    exams = in_cohort(3)
    others = [
        dataclasses.replace(exams[0], split="test"),
        dataclasses.replace(exams[2], split="train"),
    ]
    manifest.write(tmp_path / "other.csv", others)
    made = splits.follow(exams, splits.of_manifest(tmp_path / "other.csv"))
    assert [exam.split for exam in made] == ["test", "", "train"]


def test_splits_that_contradict_or_name_nobody_are_refused():
    exams = in_cohort(2, s0="train", s1="test")
    twice = [exams[0], dataclasses.replace(exams[1], subject_id="s0")]
    with pytest.raises(InputError, match="s0: is in the splits train and test"):
        splits.published(twice)
    with pytest.raises(InputError, match="published_split: has no splits"):
        splits.published(in_cohort(2))
    with pytest.raises(InputError, match="none of the manifest's subjects"):
        splits.follow(exams, {"other": "train"})


@hypothesis.given(st.integers(3, 30), st.integers(2, 6), st.integers(0, 5))
def test_each_subject_is_tested_on_in_one_fold(subjects, count, seed):
    hypothesis.assume(count <= subjects and subjects - -(-subjects // count) >= 2)
    exams = in_cohort(subjects)
    # A second examination of the first subject, which goes along.
    exams.append(dataclasses.replace(exams[0], exam_id="again"))
    made = splits.folds(exams, count, 0.1, seed)
    assert len(made) == count
    tested = [e.subject_id for fold in made for e in fold if e.split == "test"]
    assert sorted(set(tested)) == sorted({e.subject_id for e in exams})
    assert len(tested) == len(exams)
    sizes = [len({e.subject_id for e in fold if e.split == "test"}) for fold in made]
    assert max(sizes) - min(sizes) <= 1
    for fold in made:
        assert [e.exam_id for e in fold] == [e.exam_id for e in exams]
        assert {e.split for e in fold} == set(SPLITS)
        by_subject = {e.subject_id: e.split for e in fold}
        assert all(by_subject[e.subject_id] == e.split for e in fold)
    assert splits.folds(exams, count, 0.1, seed) == made


def test_a_split_that_is_assigned_stays_in_every_fold():
    exams = in_cohort(6)
    exams[0] = dataclasses.replace(exams[0], split="test")
    for fold in splits.folds(exams, 5):
        assert fold[0].split == "test"


@pytest.mark.parametrize(("subjects", "count"), [(5, 1), (5, 6), (2, 2), (3, 2), (4, 0)])
def test_folds_that_cannot_be_made_are_refused(subjects, count):
    with pytest.raises(InputError, match="cannot be made of"):
        splits.folds(in_cohort(subjects), count)
