"""What is planned: the paper's counts, any other counts, label maps that no two splits share."""

import collections
import pathlib

import pytest

from liver_jax.errors import InputError
from liver_jax.phantom import design

MAPS = [pathlib.Path(f"s{k}.nii.gz") for k in range(5)]


def test_the_papers_size_has_the_papers_counts():
    planned = design.plans("paper", 0)
    counts = collections.Counter((p.technique, p.group.split, p.group.cohort) for p in planned)
    assert counts["spgr2d", "train", "internal"] == 300
    assert counts["ct", "train", "internal"] == 10
    assert counts["hbp_t1w", "train", "internal"] == 20
    assert counts["ct", "test", "internal"] == 100
    assert counts["hbp_t1w", "test", "internal"] == 50
    assert counts["spgr2d", "test", "internal"] == 50
    assert counts["spgr3d", "test", "internal"] == 33
    assert counts["ct", "test", "external"] == 130
    assert counts["hbp_t1w", "test", "external"] == 50
    assert counts["spgr2d", "test", "external"] == 118
    assert not any(split == "train" for technique, split, _ in counts if technique == "spgr3d")
    two_d = {p.subject for p in planned if p.technique == "spgr2d"}
    assert {p.subject for p in planned if p.technique == "spgr3d"} <= two_d


@pytest.mark.parametrize("size", design.SIZES)
def test_no_subject_is_in_two_groups_and_no_examination_twice(size):
    planned = design.plans(size, 0)
    groups = collections.defaultdict(set)
    for plan in planned:
        groups[plan.subject].add(plan.group)
    assert all(len(found) == 1 for found in groups.values())
    assert len({plan.exam_id for plan in planned}) == len(planned)


def test_any_counts_can_be_asked_for():
    planned = design.plans(
        "demo", 0, "spgr2d/train=3, ct:unenhanced/test/external=2,hbp_t1w/test=1"
    )
    assert [
        (p.technique, p.group.contrast_phase, p.group.split, p.group.cohort) for p in planned
    ] == [
        *[("spgr2d", "", "train", "internal")] * 3,
        *[("ct", "unenhanced", "test", "external")] * 2,
        ("hbp_t1w", "hepatobiliary", "test", "internal"),
    ]


def test_3d_spgr_images_the_patients_of_2d_and_others_where_these_are_too_few():
    planned = design.plans("demo", 0, "spgr3d/test=3,spgr2d/test=2,spgr2d/train=4")
    of = collections.defaultdict(list)
    for plan in planned:
        of[plan.technique, plan.group.split].append(plan.subject_id)
    assert of["spgr2d", "test"] == ["P0000", "P0001"]
    assert of["spgr3d", "test"] == ["P0000", "P0001", "P0006"]
    assert len(of["spgr2d", "train"]) == 4


@pytest.mark.parametrize(
    ("counts", "fault"),
    [
        ("spgr2d=3", "technique/split=n"),
        ("t2/train=3", "no technique of"),
        ("ct/training=3", "no split of"),
        ("ct/train/abroad=3", "no cohort of"),
        ("ct:arterial/train=3", "no such contrast phase as 'arterial'"),
        ("spgr2d:unenhanced/train=3", "no such contrast phase"),
        ("ct/train=-1", "technique/split=n"),
    ],
)
def test_counts_that_cannot_be_read_are_refused(counts, fault):
    with pytest.raises(InputError, match=fault):
        design.plans("demo", 0, counts)


@pytest.mark.parametrize(
    ("size", "seed", "fault"), [("huge", 0, "demo, gallery, paper"), ("tiny", -1, "negative")]
)
def test_an_unknown_size_and_a_negative_seed_are_refused(size, seed, fault):
    with pytest.raises(InputError, match=fault):
        design.plans(size, seed)


def test_no_two_splits_share_a_label_map():
    for count in (3, 4, 5):
        planned = design.plans("tiny", 1, anatomies=MAPS[:count])
        splits = collections.defaultdict(set)
        for plan in planned:
            splits[plan.anatomy].add(plan.group.split)
        assert all(len(found) == 1 for found in splits.values())
        assert len(splits) == count
        assert set.union(*splits.values()) == {"train", "validation", "test"}


def test_too_few_label_maps_are_refused():
    with pytest.raises(InputError, match="2 for the splits train, test, validation"):
        design.plans("tiny", 1, anatomies=MAPS[:2])
    assert len(design.plans("tiny", 1, "ct/test=3", anatomies=MAPS[:1])) == 3


def test_examinations_of_a_subject_share_its_randomness_and_no_other():
    one, other = (p for p in design.plans("tiny", 0) if p.group.also_spgr3d and p.subject == 11)
    assert (one.technique, other.technique) == ("spgr2d", "spgr3d")
    assert one.subject_generator().uniform() == other.subject_generator().uniform()
    assert one.exam_generator().uniform() != other.exam_generator().uniform()
