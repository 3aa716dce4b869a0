"""What names the features of a backbone among those that are kept."""

from pathlib import Path
from typing import Any

import pytest
from configs import config

from cnn_sweeps.provenance.environment import Environment
from cnn_sweeps.provenance.identity import Identity
from cnn_sweeps.training.feature_cache import FeatureCache


def cache_of(backbone: Any, **environment: Any) -> FeatureCache:
    """Where the features of a backbone are kept."""
    from cnn_sweeps.runs.backbone import feature_cache

    asked = config(model={"name": "pretrained", "backbone": backbone, "weights": None})
    identity = Identity(config_hash="c" * 64, trajectory_hash="t" * 64, data_digest="d" * 64)
    here = Environment.capture(threads=1, deterministic=True, **environment)
    found = feature_cache(asked, identity, here)
    assert found is not None
    return found


def test_the_files_of_a_users_backbone_name_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit that leaves its weights as they are may still move what it gives."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "own_stem.py"
    own = {"name": "custom", "function": "own_stem:build"}
    file.write_text("def build(shape, classes): ...")
    before, again = cache_of(own), cache_of(own)
    file.write_text("def build(shape, classes): pass")
    after = cache_of(own)
    assert before == again != after
    assert after.own_code
    assert not cache_of({"name": "resnet", "depth": 4, "stages": 1}).own_code
