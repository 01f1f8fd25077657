"""The configs: every field is read somewhere, the counts are the paper's."""

import ast
import dataclasses
import pathlib

import ml_collections
import pytest

from configs import ablation, anycontrast, base, public, stage1, stage2
from liver_jax.data import augment, contrast
from liver_jax.errors import InputError
from liver_jax.train import settings

ROOT = pathlib.Path(__file__).resolve().parent.parent


def leaves(config, prefix=()):
    for name, value in config.items():
        if isinstance(value, ml_collections.ConfigDict):
            yield from leaves(value, (*prefix, name))
        else:
            yield (*prefix, name)


def test_every_field_has_a_reader():
    kinds = (augment.Settings, contrast.Settings)
    read = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    for path in [*(ROOT / "liver_jax" / "train").glob("*.py"), ROOT / "liver_jax" / "main.py"]:
        tree = ast.parse(path.read_text())
        read |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        # architecture() reads the model's fields by name.
        read |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    fields = [".".join(leaf) for leaf in leaves(base.get_config()) if leaf[-1] not in read]
    assert not fields


@pytest.mark.parametrize("module", [stage1, stage2, anycontrast])
@pytest.mark.parametrize("size", base.SIZES)
def test_a_config_can_work(module, size):
    settings.validate(module.get_config(size))


@pytest.mark.parametrize("size", base.SIZES)
def test_the_public_stages_have_the_papers_counts_of_ct_and_t1(size):
    first, second = (public.get_config(f"stage={stage},size={size}") for stage in (1, 2))
    for config in (first, second):
        settings.validate(config)
    assert second.data.train_subjects == "t1dual=14,ct=10,ce_t1w=20"
    assert first.data.train_subjects == "t1dual=14"
    assert (first.init.checkpoint, second.init.checkpoint) == ("none", "runs/public/stage1")


@pytest.mark.parametrize("arguments", ["", "stage=3", "stage=1,ct=2", "size=demo"])
def test_the_public_config_refuses_other_arguments(arguments):
    with pytest.raises(ValueError, match="stage=1"):
        public.get_config(arguments)


def test_sizes_change_the_grid_and_the_counts_never_the_architecture():
    demo, paper = base.get_config("demo"), base.get_config("paper")
    assert demo.model == paper.model
    assert (demo.data.size, paper.data.size) == (128, 256)
    assert demo.data.size * demo.data.spacing_mm == paper.data.size * paper.data.spacing_mm


def test_the_paper_size_has_the_papers_counts():
    assert stage1.get_config().data.train_subjects == "spgr2d=300"
    assert stage2.get_config().data.train_subjects == "spgr2d=30,ct=10,hbp_t1w=20"


def test_an_ablation_changes_one_count():
    config = ablation.get_config("ct=3,seed=2,size=demo")
    assert config.data.train_subjects == "spgr2d=30,ct=3,hbp_t1w=20"
    assert (config.seed, config.data.subject_seed) == (2, 2)
    assert ablation.get_config("hbp=7").data.train_subjects == "spgr2d=30,ct=10,hbp_t1w=7"
    without = ablation.get_config("ct=0")
    assert without.data.train_subjects == "spgr2d=30,hbp_t1w=20"
    assert without.data.weights == "spgr2d=3,hbp_t1w=1"


@pytest.mark.parametrize("arguments", ["", "ct=11", "hbp=21", "ct=1,hbp=1", "mr=1", "ct=1,x=2"])
def test_an_ablation_refuses_other_arguments(arguments):
    with pytest.raises(ValueError, match=r"ct=|not in 0 to"):
        ablation.get_config(arguments)


def test_pairs():
    assert settings.pairs("ct=2, t2spir=1", "data.train_subjects", int) == {"ct": 2, "t2spir": 1}
    assert settings.pairs("", "data.weights", float) == {}
    for text in ("ct", "ct=", "ct=0", "ct=-1", "ct=1,ct=2", "ct=1.5"):
        with pytest.raises(InputError, match="technique=number"):
            settings.pairs(text, "data.train_subjects", int)
