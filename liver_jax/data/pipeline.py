"""The input pipeline (grain): one example is one echo of one slice.

Which subjects take part is chosen before any dataset exists, so that no operation on the stream
can bring an excluded one back. The stream is a pure function of the seed and of a position, which
is one number: the global examples consumed. Of each global batch, process p of P reads the p-th
part, so that the batches are the same in the same order however many processes share them.
"""

import collections
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import grain
import numpy as np

from liver_jax.data.slices import ExamSlices, SliceStore
from liver_jax.errors import InputError

Batch = dict[str, np.ndarray]


def choose_subjects(
    exams: Sequence[Any], counts: Mapping[str, int], seed: int
) -> tuple[list[Any], dict[str, list[str]]]:
    """Draws the training subjects of each technique.

    The subjects of a technique are put in one random order by the seed, and the first n are taken:
    the sets of an ablation are nested, and stage 2's 2D SPGR examinations are a subset of stage 1's
    (paper, Training).

    Args:
        exams: Examinations of the training split (with `technique`, `subject_id`).
        counts: Number of subjects for each technique; a technique not named takes no part.
        seed: Seed of the order.

    Returns:
        The examinations chosen, in their order, and the subjects by technique.

    Raises:
        InputError: Fewer subjects than asked for.
    """
    chosen, subjects = [], {}
    for technique, count in counts.items():
        available = sorted({exam.subject_id for exam in exams if exam.technique == technique})
        if count > len(available):
            raise InputError(
                "config.data.train_subjects",
                f"{technique}={count} asks for more subjects than the {len(available)} that the "
                "manifests hold in split train",
                "Lower the number, or add examinations.",
            )
        # The technique takes part in the seed: every technique has an order of its own.
        salt = [seed, *technique.encode()]
        order = np.random.default_rng(salt).permutation(len(available))
        subjects[technique] = [available[position] for position in order[:count]]
        members = set(subjects[technique])
        chosen += [e for e in exams if e.technique == technique and e.subject_id in members]
    return chosen, subjects


def examples_by_technique(index: Sequence[ExamSlices]) -> dict[str, dict[bool, np.ndarray]]:
    """All examples of the given examinations.

    Returns:
        technique -> (has liver -> [n, 2] int32 of record and echo).
    """
    found: dict = collections.defaultdict(lambda: {True: [], False: []})
    for exam in index:
        liver = set(exam.liver_slices)
        for position in range(exam.slice_count):
            for echo in range(exam.echo_count):
                example = (exam.first_record + position, echo)
                found[exam.technique][position in liver].append(example)
    return {
        technique: {
            has_liver: np.asarray(examples, np.int32).reshape(-1, 2)
            for has_liver, examples in groups.items()
        }
        for technique, groups in found.items()
    }


def make_dataset(
    store: SliceStore,
    index: Sequence[ExamSlices],
    weights: Mapping[str, float],
    liver_fraction: float,
    seed: int,
) -> grain.MapDataset:
    """The endless, shuffled stream of examples, addressed by global position.

    Args:
        store: The records.
        index: The examinations that take part.
        weights: Relative frequency of each technique; empty for that of their examples.
        liver_fraction: Fraction of examples whose slice holds liver; the sets without liver are
            left out where a technique has none.
        seed: Seed of the shuffles.

    Returns:
        A MapDataset whose element is a dict with `example` uint32 (the global position), `record`
        and `echo` int32, and `image` [row, column] float32 and `mask` [row, column] float32, or of
        label maps `labels` [3, 2 row, 2 column] uint8: a slice between its neighbours.
    """
    groups = examples_by_technique(index)
    if unknown := sorted(set(weights) - set(groups)):
        raise InputError(
            "config.data.weights",
            f"{', '.join(unknown)} takes no part in this run",
            f"Name only {', '.join(sorted(groups))}.",
        )
    if weights and (missing := sorted(set(groups) - set(weights))):
        raise InputError(
            "config.data.weights",
            f"{', '.join(missing)} has no weight, so none of its slices would be seen",
            f"Add {missing[0]}=1, or take it out of config.data.train_subjects.",
        )
    parts, shares = [], []
    for number, (technique, by_liver) in enumerate(sorted(groups.items())):
        total = sum(len(examples) for examples in by_liver.values())
        weight = weights[technique] if weights else float(total)
        for has_liver, fraction in ((True, liver_fraction), (False, 1.0 - liver_fraction)):
            share = weight * (fraction if len(by_liver[not has_liver]) else 1.0)
            if len(by_liver[has_liver]) == 0 or share <= 0:
                continue
            part = grain.MapDataset.source(by_liver[has_liver])
            # Each part shuffles by itself, anew in each epoch; one seed would tie their orders.
            part_seed = np.random.SeedSequence([seed, number, has_liver]).generate_state(1)[0]
            parts.append(part.shuffle(seed=int(part_seed)).repeat())
            shares.append(share)
    if not parts:
        raise InputError(
            "config.data", "no slice is left to train on", "Check weights and liver_fraction."
        )
    mixed = grain.MapDataset.mix(parts, weights=shares)
    source = store.source
    ends = {
        exam.first_record + position: (exam.first_record, exam.first_record + exam.slice_count - 1)
        for exam in index
        for position in range(exam.slice_count)
    }

    def content(record: int, echo: int) -> dict[str, np.ndarray]:
        stored = source[record]
        if "labels" in stored:
            first, last = ends[record]
            below, above = source[max(record - 1, first)], source[min(record + 1, last)]
            return {"labels": np.stack([part["labels"] for part in (below, stored, above)])}
        return {
            "image": stored["image"][echo].astype(np.float32),
            "mask": stored["mask"].astype(np.float32),
        }

    def load(position: int, example: np.ndarray) -> dict[str, np.ndarray]:
        record, echo = int(example[0]), int(example[1])
        return {
            **content(record, echo),
            "example": np.uint32(position % 2**32),
            "record": np.int32(record),
            "echo": np.int32(echo),
        }

    return mixed.map_with_index(load)


def batches(
    dataset: grain.MapDataset,
    batch_size: int,
    examples_consumed: int,
    process: int,
    process_count: int,
    threads: int,
) -> Iterator[Batch]:
    """This process's share of the global batches, from a position onwards.

    Args:
        dataset: The global stream.
        batch_size: Global batch size; a multiple of `process_count`.
        examples_consumed: The position: global examples consumed so far, whole batches.
        process: This process's number.
        process_count: Number of processes.
        threads: Threads that read and decode ahead.

    Yields:
        Dicts of arrays with a leading axis of batch_size / process_count.
    """
    share = _Share(len(dataset), batch_size, process, process_count)
    local = grain.MapDataset.source(share).map(lambda position: dataset[position])
    stream = local.batch(batch_size // process_count, drop_remainder=True).to_iter_dataset(
        grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4 * threads)
    )
    iterator = iter(stream)
    iterator.set_state({"next_index": examples_consumed // batch_size})
    return iterator


class _Share:
    """The global positions that one process reads, in its own order."""

    def __init__(self, length: int, batch_size: int, process: int, process_count: int):
        self._local = batch_size // process_count
        self._batch_size, self._first = batch_size, process * self._local
        self._length = length // batch_size * self._local

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> int:
        batch, place = divmod(int(index), self._local)
        return batch * self._batch_size + self._first + place
