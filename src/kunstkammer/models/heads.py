"""Taking over a checkpoint's output layers for other labels: rows go by the names of labels, never by their places."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kunstkammer.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_GENERIC = re.compile(r"LABEL_\d+")


def label_names_of(config: object) -> tuple[str, ...]:
    """Return the labels of a config of `transformers` in the order of the logits."""
    names: Mapping[int, str] = getattr(config, "id2label", None) or {}
    return tuple(str(names[i]) for i in sorted(names))


def are_names(labels: Sequence[str]) -> bool:
    """Say whether labels name something: `transformers` calls them LABEL_0, LABEL_1 ... where nobody named them.

    >>> are_names(["LABEL_0", "LABEL_1"]), are_names(["ring", "bars"])
    (False, True)
    """
    return not all(_GENERIC.fullmatch(label) for label in labels)


def head_tensors(model: PreTrainedModel) -> list[str]:
    """Return the names of the weights that a label has a row of: those whose shape follows from the number of labels.

    They are found by building the network once more for one label more, without memory for its weights, so that every
    architecture tells its own output layers: one, or several as in DeiT and in scene models. Raises `ModelError` for a
    network whose output does not follow from its labels.
    """
    config = copy.deepcopy(model.config)
    count = len(label_names_of(config))
    config.id2label = {i: str(i) for i in range(count + 1)}
    config.label2id = {str(i): i for i in range(count + 1)}
    with torch.device("meta"):
        wider = type(model)(config).state_dict()
    own = model.state_dict().items()
    found = [name for name, tensor in own if name in wider and wider[name].shape != tensor.shape]
    if not found:
        raise ModelError(f"The output of {type(model).__name__} does not follow from its labels; choose another model.")
    return found


def rows_by_label(model: PreTrainedModel) -> dict[str, Tensor]:
    """Return a copy of each head tensor with a row a label in the order of the config: (K, ...).

    A single unit z for two labels, whose logits are (-z/2, z/2), becomes these two rows.
    """
    count = len(label_names_of(model.config))
    weights = model.state_dict()
    return {name: _spread(weights[name].detach().clone(), count) for name in head_tensors(model)}


def _spread(tensor: Tensor, count: int) -> Tensor:
    return torch.cat([-tensor, tensor]) / 2 if len(tensor) == 1 and count == 2 else tensor


@torch.no_grad()
def take_over_rows(model: PreTrainedModel, labels: Sequence[str], rows: Mapping[str, Tensor]) -> list[str]:
    """Give the output layers of a model the rows of another one's labels, in place; return the labels taken over.

    Args:
        model: with its own labels; what its output layers hold now is forgotten. The rows of its labels that are not
            among `labels` are drawn from torch's current seed, as the model draws those of a new head.
        labels: of the rows.
        rows: `rows_by_label` of the model that they belong to.

    Where an output layer is built in another way (no such tensor, or rows of another shape) all of them are drawn
    anew, and no label counts as taken over.
    """
    own = label_names_of(model.config)
    place = {label: i for i, label in enumerate(labels)}
    common = [label for label in own if label in place]
    names = head_tensors(model)
    for name in names:
        _draw(model, name)
    weights = model.state_dict()  # shares its memory with the model
    fitting = {
        name: name in rows and rows[name].shape[1:] == weights[name].shape[1:] and len(rows[name]) == len(labels)
        for name in names
    }
    if not common or not all(fitting.values()):
        return []
    for name in names:
        target = weights[name]
        fresh = _spread(target.clone(), len(own))
        for i, label in enumerate(own):
            if label in place:
                fresh[i] = rows[name][place[label]].to(fresh)
        target.copy_(fresh[1:] - fresh[:1] if len(target) == 1 and len(own) == 2 else fresh)
    return common


def _draw(model: PreTrainedModel, name: str) -> None:
    """Draw one weight of an output layer anew, as the model does when it is made."""
    path, _, own = name.rpartition(".")
    layer = model.get_submodule(path)
    fresh = copy.deepcopy(layer)
    for parameter in fresh.parameters(recurse=False):
        # `transformers` leaves alone what it has marked as loaded.
        if hasattr(parameter, "_is_hf_initialized"):
            del parameter._is_hf_initialized
    if isinstance(fresh, nn.Linear | nn.Conv2d):
        fresh.reset_parameters()
    model._init_weights(fresh)  # type: ignore[no-untyped-call,operator]
    getattr(layer, own).copy_(getattr(fresh, own))
