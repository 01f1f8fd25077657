"""The input stream: who takes part, in which order, on which process."""

import collections
import itertools
import types

import numpy as np
import pytest

from liver_jax.data import pipeline, slices
from liver_jax.errors import InputError


def entry(exam_id, technique, first, count, echoes, liver):
    return slices.ExamSlices(
        exam_id, f"s-{exam_id}", technique, first, count, echoes, tuple(liver), ("0" * 64,)
    )


INDEX = [
    entry("a", "spgr2d", 0, 4, 6, [1, 2]),
    entry("b", "ct", 4, 3, 1, [0]),
    entry("c", "ct", 7, 3, 1, [0, 1, 2]),
    entry("left_out", "ct", 10, 5, 1, [0, 1]),
]


class Source:
    """Records whose image names the record and the echo."""

    def __getitem__(self, record):
        echoes = 6 if record < 4 else 1
        image = np.stack([np.full((2, 2), 10 * record + echo) for echo in range(echoes)])
        return {"image": image.astype(np.float16), "mask": np.ones((2, 2), np.uint8)}


STORE = slices.SliceStore(Source(), tuple(INDEX))


def stream(index=INDEX[:3], weights=None, liver_fraction=0.75, seed=0):
    return pipeline.make_dataset(STORE, index, weights or {}, liver_fraction, seed)


def exams(**counts):
    return [
        types.SimpleNamespace(technique=technique, subject_id=f"{technique}-{number}")
        for technique, count in counts.items()
        for number in range(count)
    ]


def test_every_echo_of_every_slice_is_one_example():
    groups = pipeline.examples_by_technique(INDEX[:2])
    assert {t: {k: len(v) for k, v in g.items()} for t, g in groups.items()} == {
        "spgr2d": {True: 12, False: 12},
        "ct": {True: 1, False: 2},
    }
    np.testing.assert_array_equal(groups["ct"][True], [[4, 0]])


def test_an_example_is_one_echo_of_one_slice():
    dataset = stream()
    for position in range(20):
        example = dataset[position]
        assert example["image"].shape == (2, 2)
        assert example["image"][0, 0] == 10 * example["record"] + example["echo"]
        assert example["example"] == position


def test_nobody_left_out_comes_back_in_later_epochs():
    dataset = stream()
    # The largest part holds 12 examples: 600 positions are many epochs of each.
    seen = {int(dataset[position]["record"]) for position in range(600)}
    assert seen == set(range(10))


def test_each_epoch_of_a_part_shows_each_example_once_in_another_order():
    dataset = stream(INDEX[1:3], liver_fraction=1.0)
    records = [int(dataset[position]["record"]) for position in range(12)]
    assert sorted(records[:4]) == sorted(records[4:8]) == [4, 7, 8, 9]
    assert len({tuple(records[k : k + 4]) for k in (0, 4, 8)}) > 1


def test_weights_and_liver_fraction_set_the_frequencies():
    dataset = stream(weights={"spgr2d": 3.0, "ct": 1.0}, liver_fraction=0.75)
    counts = collections.Counter()
    for position in range(1600):
        record = int(dataset[position]["record"])
        counts["spgr2d" if record < 4 else "ct"] += 1
        counts["liver"] += record in {1, 2, 4, 7, 8, 9}
    assert counts["spgr2d"] == pytest.approx(1200, abs=4)
    assert counts["liver"] == pytest.approx(1200, abs=4)


def test_the_seed_decides_the_order():
    order = [[int(stream(seed=seed)[k]["record"]) for k in range(40)] for seed in (0, 0, 1)]
    assert order[0] == order[1] != order[2]


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_share_the_same_global_batches(processes):
    whole = pipeline.batches(stream(), 8, 0, 0, 1, 1)
    shares = [pipeline.batches(stream(), 8, 0, p, processes, 2) for p in range(processes)]
    for _ in range(3):
        expected = next(whole)["example"].tolist()
        parts = [next(share)["example"] for share in shares]
        assert all(len(part) == 8 // processes for part in parts)
        assert np.concatenate(parts).tolist() == expected


def test_a_stream_resumed_at_a_position_goes_on_where_it_was():
    first = pipeline.batches(stream(), 8, 0, 0, 1, 2)
    batches = [next(first) for _ in range(5)]
    resumed = pipeline.batches(stream(), 8, 3 * 8, 0, 1, 2)
    for expected in batches[3:]:
        got = next(resumed)
        for name in expected:
            np.testing.assert_array_equal(got[name], expected[name])


def test_subjects_of_one_seed_are_nested_and_another_seed_differs():
    pool = exams(ct=20, spgr2d=5)
    sets = [
        set(pipeline.choose_subjects(pool, {"ct": count}, 1)[1]["ct"]) for count in range(1, 11)
    ]
    assert all(small < large for small, large in itertools.pairwise(sets))
    assert sets[-1] != set(pipeline.choose_subjects(pool, {"ct": 10}, 2)[1]["ct"])


def test_another_techniques_count_leaves_a_choice_as_it_is():
    pool = exams(ct=20, hbp_t1w=20)
    few = pipeline.choose_subjects(pool, {"ct": 3, "hbp_t1w": 7}, 0)[1]
    many = pipeline.choose_subjects(pool, {"ct": 10, "hbp_t1w": 7}, 0)[1]
    assert few["hbp_t1w"] == many["hbp_t1w"]


def test_refuses_more_subjects_than_there_are():
    with pytest.raises(InputError, match=r"ct=4 asks for more subjects than the 3"):
        pipeline.choose_subjects(exams(ct=3), {"ct": 4}, 0)


def test_refuses_a_weight_for_a_technique_that_takes_no_part():
    with pytest.raises(InputError, match="hbp_t1w takes no part"):
        stream(weights={"ct": 1.0, "hbp_t1w": 1.0})


def test_refuses_a_technique_that_has_no_weight():
    with pytest.raises(InputError, match=r"ct has no weight.*Add ct=1"):
        stream(weights={"spgr2d": 1.0})
