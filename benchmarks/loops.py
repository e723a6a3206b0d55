"""What layout, precision and `transformers.Trainer` cost or bring: training from memory, without augmentation."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bare_loop import InMemory, Manner, bare_loop
from benchmarks.contest import Contestant, Found, Options, Skipped, Target, compare, contest
from benchmarks.plain_trainer import trainer_in_memory
from benchmarks.subjects import RESNET, SKETCHNET, Subject, make_subject
from kunstkammer.models.devices import choose_device
from kunstkammer.training.precision import native_bf16

JOB = "loops"
EAGER, LAST, LAST_BF16 = "eager fp32", "channels-last fp32", "channels-last bf16"
COMPILED, TRAINER = "compiled, channels-last", "transformers.Trainer, channels-last"
TRAINER_TARGET = Target("ratio", ">=", 0.90)
"""The loop is `transformers.Trainer` unless it costs more than a tenth of a bare loop."""
EPOCHS = 3


def measure(options: Options) -> Iterator[Found]:
    """Time the same steps in several manners, for both networks."""
    for name in (SKETCHNET, RESNET):
        yield from _manners(make_subject(name, options, options.scratch / "cache"), options)


def _manners(subject: Subject, options: Options) -> Iterator[Found]:
    has_bf16 = native_bf16(choose_device())
    plain, last = InMemory(subject, channels_last=False), InMemory(subject, channels_last=True)
    epochs = min(EPOCHS, options.epochs)
    best = LAST_BF16 if has_bf16 else LAST

    def loop(name: str, memory: InMemory, manner: Manner) -> Contestant:
        return lambda: {name: bare_loop(subject, memory, manner, epochs)}

    contestants: dict[str, Contestant] = {
        EAGER: loop(EAGER, plain, Manner(channels_last=False)),
        LAST: loop(LAST, last, Manner()),
        TRAINER: lambda: {TRAINER: trainer_in_memory(subject, last, bf16=has_bf16, epochs=epochs)},
    }
    if has_bf16:
        contestants[LAST_BF16] = loop(LAST_BF16, last, Manner(bf16=True))
    if options.compiled:
        contestants[COMPILED] = loop(COMPILED, last, Manner(bf16=has_bf16, compiled=True))
    rounds = contest(contestants, options.rounds(3))

    name = f"{subject.name}: "
    yield compare(JOB, name + LAST, "pictures/s", rounds, ours=LAST, peer=EAGER)
    if has_bf16:
        yield compare(JOB, name + LAST_BF16, "pictures/s", rounds, ours=LAST_BF16, peer=EAGER)
    else:
        yield Skipped(JOB, name + LAST_BF16, "this processor has no bfloat16 arithmetic")
    yield compare(JOB, name + TRAINER, "pictures/s", rounds, ours=TRAINER, peer=best, target=TRAINER_TARGET)
    if options.compiled:
        yield compare(JOB, name + COMPILED, "pictures/s", rounds, ours=COMPILED, peer=best)
