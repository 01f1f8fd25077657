"""A network in one file gives the masks that its run folder gives."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from liver_jax.checkpoint import portable
from liver_jax.data import preprocess
from liver_jax.errors import InputError
from liver_jax.inference import export, predictor
from liver_jax.inference.predictor import Predictor
from liver_jax.model import unet
from liver_jax.volume.geometry import Volume

ARCHITECTURE = {"base_features": 2, "depth": 1, "norm": "group"}
SETTINGS = preprocess.Settings(16, 20.0, -160.0, 240.0, 0.5, 99.5)


@pytest.fixture(scope="module")
def network():
    model = unet.UNet(**ARCHITECTURE)
    variables = model.init(jax.random.key(1), jnp.zeros((1, 16, 16, 1)), train=False)
    variables["params"]["logit"]["bias"] -= 0.8  # so that some of the scan is liver
    record = {
        "started": "2026-01-01T00:00:00+00:00",
        "command": ["/home/somebody/main.py"],
        "manifest_sha256": {"/home/somebody/manifest.csv": "12"},
        "train_exams": ["Smith-1", "Smith-2"],
        "train_image_sha256": ["34"],
        "initial": "/home/somebody/stage1 (best, step 3)",
    }
    return Predictor._loaded(
        ARCHITECTURE,
        variables,
        SETTINGS,
        record=record,
        config={"data": {"manifests": "/home/somebody/a.csv,/home/somebody/b.csv"}},
        checkpoint="/home/somebody/stage2 (best, step 5)",
        step=5,
    )


@pytest.fixture(scope="module")
def path(network, tmp_path_factory):
    made = tmp_path_factory.mktemp("export") / "network.safetensors"
    export.write(network, made)
    return made


@pytest.fixture(scope="module")
def scan():
    x, y, _ = np.mgrid[:30, :24, :5]
    data = np.where(((x - 15) / 12) ** 2 + ((y - 12) / 9) ** 2 < 1, 40.0, -1000.0)
    noise = np.random.default_rng(0).normal(0, 60, data.shape)
    return Volume((data + noise).astype(np.float32), np.diag([10.0, 10.0, 8.0, 1.0]))


def test_the_file_finds_the_same_and_is_known_as_the_same_network(network, path, scan):
    loaded = Predictor.from_checkpoint(path)
    expected = network.probability(scan, "CT")
    assert 0.01 < (expected >= 0.5).mean() < 0.99
    np.testing.assert_array_equal(loaded.probability(scan, "CT"), expected)
    assert loaded.settings == SETTINGS and loaded.step == 5
    ours, theirs = predictor.identity(network), predictor.identity(loaded)
    assert ours["record_sha256"] == theirs["record_sha256"]


def test_half_precision_is_another_network_of_the_same_run(network, tmp_path, scan):
    half = tmp_path / "half.safetensors"
    export.write(network, half, half=True)
    loaded = Predictor.from_checkpoint(half)
    found, expected = (net.probability(scan, "CT") for net in (loaded, network))
    assert 0 < np.abs(found - expected).max() < 0.01
    assert predictor.identity(loaded) == predictor.identity(network) | {
        "checkpoint": loaded.checkpoint
    }


def test_the_program_serves_three_platforms_and_any_number_of_slices(network, path):
    program = jax.export.deserialize(bytearray(portable.read(path).program))
    assert set(program.platforms) == {"cpu", "cuda", "tpu"}
    tensors = portable.flatten(network.variables)
    images = np.random.default_rng(0).random((network.batch_size, 16, 16), np.float32)
    found = np.asarray(program.call(tensors, images[:3]))
    expected = np.asarray(network.forward(network.variables, images))[:3]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_no_path_and_no_id_goes_with_it(path):
    content = path.read_bytes()
    assert b"somebody" not in content and b"Smith" not in content and b".py" not in content
    network = portable.read(path).network
    assert network["record"]["n_train_exams"] == 2 and network["record"]["train_exams"] == []
    assert network["record"]["train_image_sha256"] == ["34"]
    assert network["config"]["data"]["manifests"] == "a.csv,b.csv"


def test_a_file_that_does_not_tell_how_it_is_used_is_refused(network, tmp_path):
    path = tmp_path / "network.safetensors"
    settings = dataclasses.asdict(SETTINGS)
    whole = {"model": ARCHITECTURE, "preprocess": settings, "record": {}, "config": {}}
    whole |= {"step": 5, "checkpoint": "a", "record_sha256": "b"}
    for change in (
        {"preprocess": settings | {"size": 17}},
        {"preprocess": settings | {"ct_low_hu": "low"}},
        {"preprocess": {}},
        {"step": "many"},
        {"record": 3},
    ):
        portable.write(path, network.variables, whole | change, b"", "")
        with pytest.raises(InputError, match="does not say how its network is to be used"):
            Predictor.from_checkpoint(path)


def test_another_ending_is_refused_and_nothing_written(network, tmp_path):
    with pytest.raises(InputError, match=r"End it in \.safetensors"):
        export.write(network, tmp_path / "network.bin")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_the_mask_does_not_depend_on_the_batch_size(network, scan, batch_size):
    expected = network.probability(scan, "CT")
    other = dataclasses.replace(network, batch_size=batch_size)
    found = other.probability(scan, "CT")
    np.testing.assert_array_equal(found >= 0.5, expected >= 0.5)
    np.testing.assert_allclose(found, expected, atol=1e-6)
