import collections
import pathlib

import hypothesis
import pytest
from hypothesis import strategies as st

from liver_jax.cohort import splits
from liver_jax.cohort.exam import Exam
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
