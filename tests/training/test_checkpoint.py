"""The checkpoint: every file that the library writes is kept, and weights in several files open like one."""

import functools

import pytest
import torch
from transformers import AutoModelForImageClassification, GenerationConfig

from kunstkammer.errors import ModelError
from kunstkammer.models.catalogue import Task, create_model
from kunstkammer.models.digest import weight_files, weights_digest
from kunstkammer.models.run import open_run
from kunstkammer.training.fit import write_checkpoint


def network(seed=0):
    torch.manual_seed(seed)
    return create_model("resnet-10", Task(("a", "b"), size=(32, 32)), options={"hidden_sizes": [8, 8, 16, 16]})


def write(run, monkeypatch, size="60KB", seed=0):
    run.mkdir(exist_ok=True)
    model, geometry = network(seed)
    monkeypatch.setattr(model, "save_pretrained", functools.partial(model.save_pretrained, max_shard_size=size))
    write_checkpoint(run, model, geometry)
    return model.eval()


def test_weights_in_several_files_open_like_one(tmp_path, monkeypatch):
    model = write(tmp_path / "run", monkeypatch)
    assert len(weight_files(tmp_path / "run")) > 1
    assert not (tmp_path / "run" / ".checkpoint").exists()
    plates = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    checkpoint = open_run(tmp_path / "run")
    with torch.inference_mode():
        wanted = model(pixel_values=checkpoint.prepare(plates)).logits
    torch.testing.assert_close(checkpoint.logits(plates), wanted)
    AutoModelForImageClassification.from_pretrained(tmp_path / "run")
    again, _ = create_model(str(tmp_path / "run"), Task(("a", "b")))
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in model.state_dict().items())


def test_the_digest_follows_every_shard(tmp_path, monkeypatch):
    write(tmp_path / "run", monkeypatch)
    before = weights_digest(tmp_path / "run")
    last = weight_files(tmp_path / "run")[-1]
    last.write_bytes(last.read_bytes()[:-1] + b"\x01")
    assert weights_digest(tmp_path / "run") != before
    last.unlink()
    with pytest.raises(ModelError, match=f"lacks {last.name}"):
        open_run(tmp_path / "run")


def test_weights_written_again_replace_those_before(tmp_path, monkeypatch):
    run = tmp_path / "run"
    write(run, monkeypatch)
    write(run, monkeypatch, "1GB", seed=1)
    assert [file.name for file in weight_files(run)] == ["model.safetensors"]
    model = write(run, monkeypatch, seed=2)
    opened = open_run(run).model.state_dict()
    assert all(torch.equal(v, opened[k]) for k, v in model.state_dict().items())


def test_safetensors_that_are_no_weights_do_not_hide_a_pickle(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "patterns.safetensors").write_bytes(b"")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="pytorch_model.bin, which may run code"):
        open_run(tmp_path)


def test_a_file_that_only_some_models_write_is_kept(tmp_path, monkeypatch):
    model, geometry = network()
    real = model.save_pretrained

    def more(folder, **options):
        real(folder, **options)
        GenerationConfig().save_pretrained(folder)
        (folder / "extra").mkdir()
        (folder / "extra" / "more.json").write_text("{}")

    monkeypatch.setattr(model, "save_pretrained", more)
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run", model, geometry)
    for name in ("generation_config.json", "extra/more.json", "config.json", "model.safetensors"):
        assert (tmp_path / "run" / name).is_file()
