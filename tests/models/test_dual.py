"""DualEncoder as a checkpoint: what is damaged is refused, never answered with numbers drawn at random."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from kunstkammer.errors import ModelError
from kunstkammer.models.dual import DualConfig, DualEncoder, open_dual


@pytest.fixture
def folder(tmp_path):
    backbone = {"model_type": "kunstkammer-sketchnet", "image_size": 32, "num_channels": 3, "stages": [[8], [8]]}
    torch.manual_seed(0)
    DualEncoder(DualConfig(backbone=backbone, text_width=16, text_hidden=8, width=4)).save_pretrained(tmp_path / "dual")
    return tmp_path / "dual"


def test_a_whole_checkpoint_opens_with_its_own_weights(folder):
    model, kept = open_dual(folder), load_file(folder / "model.safetensors")
    assert torch.equal(model.text_tower[0].weight, kept["text_tower.0.weight"])


@pytest.mark.parametrize("dropped", ["text_tower.0.weight", "picture_projection.1.weight", "logit_scale"])
def test_weights_that_it_lacks_are_named(folder, dropped):
    kept = load_file(folder / "model.safetensors")
    del kept[dropped]
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=f"lacks 1 weights of a DualEncoder .*{dropped}.*copy the checkpoint again"):
        open_dual(folder)


def test_a_cut_file_is_named(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="damaged|Cannot open"):
        open_dual(folder)
