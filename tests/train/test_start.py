import pathlib

import pytest

from configs import stage1
from liver_jax.errors import InputError
from liver_jax.train import start

RUN = pathlib.Path("runs/mine")


def test_a_run_goes_on_with_its_own_config_and_no_other():
    config = stage1.get_config("demo")
    saved = config.to_dict()
    config.train.log_every_steps += 1  # changes nothing of what comes out
    start._refuse_other_config(config, saved, RUN)
    config.seed = 5
    with pytest.raises(InputError, match=r"runs/mine: .*another config: seed was 0, is 5"):
        start._refuse_other_config(config, saved, RUN)


def test_a_run_goes_on_where_the_program_has_learnt_a_field_since():
    config = stage1.get_config("demo")
    saved = config.to_dict()
    del saved["data"]["from_labels"], saved["contrast"]
    start._refuse_other_config(config, saved, RUN)


def test_a_field_that_is_no_more_would_change_the_run():
    config = stage1.get_config("demo")
    saved = config.to_dict()
    saved["data"]["once"] = 3
    with pytest.raises(InputError, match=r"data\.once was 3, is None"):
        start._refuse_other_config(config, saved, RUN)
