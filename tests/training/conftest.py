"""A synthetic corpus and the tiny run of ``configs/tiny.toml`` on it."""

from dataclasses import replace

import pytest

from kinetune.corpus.folder import PairSettings, make_corpus
from kinetune.training.config import read_train_config
from tests.conftest import MONO, REPOSITORY


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    settings = PairSettings(duration_s=7.5, **MONO)
    make_corpus(folder, minutes=0.5, seed=3, settings=settings, workers=1)
    return folder


@pytest.fixture
def tiny(corpus):
    config = read_train_config(REPOSITORY / "configs" / "tiny.toml")
    return replace(config, data=replace(config.data, source=str(corpus)))
