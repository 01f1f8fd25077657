"""Some damaged scans of every format: each is read, or refused in one line.

`python -m benchmarks.fuzz` does the same for minutes, with memory and time watched.
"""

import collections

import pytest

from benchmarks import fuzz, fuzz_damage, fuzz_seeds


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return fuzz_seeds.write(tmp_path_factory.mktemp("fuzz") / "sound")


def test_sound_scans_are_read(sound):
    for path in sound:
        outcome = fuzz.attempt(path)
        assert (outcome.name, outcome.words) == ("read", ""), path


def test_damaged_scans_are_read_or_refused_in_one_line(sound, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz_damage, "_BOMB_BYTES", 2**24)
    monkeypatch.setattr(fuzz_damage, "_ENTRIES", 200)
    outcomes = collections.Counter()
    for number in range(150):
        path, what = fuzz.make(sound, tmp_path / f"{number}", 1, number)
        outcome = fuzz.attempt(path)
        assert outcome.name in ("read", "refused"), f"{number} {what}: {outcome.words}"
        if outcome.name == "refused":
            assert str(path) in outcome.words, f"{number} {what}: {outcome.words}"
        outcomes[outcome.name] += 1
    assert min(outcomes.values()) > 20  # both happen, or it is no test


def test_a_fault_is_found(sound, monkeypatch):
    def broken(paths):
        raise KeyError("a defect")

    monkeypatch.setattr(fuzz.reader, "read", broken)
    assert fuzz.attempt(sound[0]).name == "traceback"


def test_an_input_depends_on_its_number_alone(sound, tmp_path):
    for number in range(4):
        twice = [fuzz.make(sound, tmp_path / f"{number}{run}", 0, number) for run in "ab"]
        (one, what), (other, same) = twice
        assert what == same
        if one.is_file() and one.suffix != ".gz":  # gzip writes the time
            assert one.read_bytes() == other.read_bytes()
