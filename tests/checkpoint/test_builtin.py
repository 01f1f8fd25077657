"""The network that comes along: its file, and what its card says of it."""

import hashlib

import safetensors

from liver_jax.checkpoint import trained

CARD = trained.BUILTIN_FILE.with_name("MODEL_CARD.md")


def test_the_file_is_small_and_of_half_precision():
    assert trained.BUILTIN_FILE.stat().st_size < 20e6
    with safetensors.safe_open(trained.BUILTIN_FILE, framework="numpy") as file:
        types = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    assert types == {"F16", "U8"}


def test_the_card_is_that_of_this_file():
    card = CARD.read_text(encoding="utf-8")
    held = trained.load(trained.BUILTIN)
    assert hashlib.sha256(trained.BUILTIN_FILE.read_bytes()).hexdigest() in card
    assert f"{held.config['train']['steps']} steps" in card and f"step {held.step}" in card
    assert "not for clinical decisions" in card
    for source in ("CC BY 4.0", "Apache-2.0", "procedural"):
        assert source in card


def test_it_fits_the_configs_and_answers_for_what_it_was_trained_on():
    held = trained.load(trained.BUILTIN)
    assert held.architecture == {"base_features": 16, "depth": 4, "norm": "group"}
    assert held.config["data"]["from_labels"] is True
    assert len(held.record["train_image_sha256"]) == held.record["n_train_exams"]
