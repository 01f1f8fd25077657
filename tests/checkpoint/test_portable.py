import json
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from liver_jax.checkpoint import portable
from liver_jax.errors import InputError
from liver_jax.model import unet

ARCHITECTURE = {"base_features": 2, "depth": 1, "norm": "group"}


@pytest.fixture(scope="module")
def variables():
    made = unet.UNet(**ARCHITECTURE).init(jax.random.key(0), jnp.zeros((1, 2, 2, 1)), train=False)
    return jax.tree.map(np.asarray, made)


@pytest.fixture
def path(tmp_path, variables):
    found = tmp_path / "network.safetensors"
    portable.write(found, variables, {"model": ARCHITECTURE, "step": 7}, b"program", "usage")
    return found


def test_what_is_written_is_read(path, variables):
    held = portable.read(path)
    before, after = portable.flatten(variables), portable.flatten(held.variables)
    assert before.keys() == after.keys() and "params/encoder_0/conv_0/kernel" in before
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert held.network == {"model": ARCHITECTURE, "step": 7} and held.program == b"program"
    # Another program reads it with the library alone.
    assert set(safetensors_numpy.load_file(path)) == {*before, "stablehlo"}


def test_half_precision_halves_the_file_and_is_read_as_single(tmp_path, path, variables):
    half = tmp_path / "half.safetensors"
    portable.write(half, variables, {"model": ARCHITECTURE}, b"", "", half=True)
    before, after = portable.flatten(variables), portable.flatten(portable.read(half).variables)
    for name, leaf in after.items():
        assert leaf.dtype == np.float32
        np.testing.assert_array_equal(leaf, before[name].astype(np.float16))
    sizes = [
        sum(leaf.nbytes for name, leaf in safetensors_numpy.load_file(file).items() if "/" in name)
        for file in (half, path)
    ]
    assert sizes[1] == 2 * sizes[0]


def test_every_damaged_byte_is_noticed(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    rng = np.random.default_rng(0)
    for place in [3, 8, *rng.integers(8, len(content), 60)]:
        damaged = bytearray(content)
        damaged[place] ^= 0x41
        path.write_bytes(damaged)
        try:
            portable.read(path)
        except InputError as refused:
            assert "\n" not in str(refused)
        else:  # words for people are not part of the network
            assert place < 8 + length and b"usage" in content[8 : 8 + length]


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_a_part_of_a_file_is_refused(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        portable.read(path)


def test_a_header_of_absurd_length_is_refused(path):
    path.write_bytes(struct.pack("<Q", 2**62) + path.read_bytes()[8:])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        portable.read(path)


def rewritten(path, change_tensors=lambda tensors: None, **metadata):
    """The file as somebody else might write it, its hash put right."""
    held = portable.read(path)
    tensors = portable.flatten(held.variables)
    change_tensors(tensors)
    tensors["stablehlo"] = np.frombuffer(held.program, np.uint8)
    told = {"format": "liver_jax network", "format_version": "1", "usage": ""}
    told |= {"network": json.dumps(dict(held.network)), "sha256": portable._digest(tensors)}
    safetensors_numpy.save_file(tensors, path, told | metadata)
    return path


def test_a_file_written_alike_by_another_program_is_read(path):
    portable.read(rewritten(path))


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"format": "something"}, "is not a network that this program exported"),
        ({"format_version": "9"}, "has format version '9'"),
        ({"sha256": "0" * 64}, "is damaged"),
        ({"network": "[" * 100_000}, "does not say what network"),
        ({"network": "{}"}, "does not say what network"),
        ({"network": json.dumps({"model": {"depth": 1}})}, "this program has not"),
        ({"network": json.dumps({"model": ARCHITECTURE | {"depth": 10**6}})}, "has not"),
        ({"network": json.dumps({"model": ARCHITECTURE | {"base_features": 4}})}, "other weights"),
    ],
)
def test_what_it_says_of_itself_must_fit(path, metadata, words):
    with pytest.raises(InputError, match=words):
        portable.read(rewritten(path, **metadata))


def test_weights_must_be_those_of_the_network_and_finite(path):
    def drop(tensors):
        del tensors["params/logit/bias"]

    def spoil(tensors):
        tensors["params/logit/bias"] = np.array([np.nan], np.float32)

    def widen(tensors):
        tensors["params/logit/bias"] = tensors["params/logit/bias"].astype(np.float64)

    before = path.read_bytes()
    for change, words in (
        (drop, "params/logit/bias is absent"),
        (spoil, "not finite"),
        (widen, "as F64"),
    ):
        path.write_bytes(before)
        with pytest.raises(InputError, match=words):
            portable.read(rewritten(path, change))


def test_a_missing_file_and_another_ending_are_refused(tmp_path, variables):
    with pytest.raises(InputError, match="cannot be read"):
        portable.read(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match=r"End it in \.safetensors"):
        portable.write(tmp_path / "network.bin", variables, {"model": ARCHITECTURE}, b"", "")
    assert not list(tmp_path.iterdir())
