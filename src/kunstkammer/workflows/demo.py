"""demo: the whole way on pages that the package draws itself, offline, in about a minute."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from kunstkammer.progress import say
from kunstkammer.workflows.measure import Measured


@dataclass(frozen=True)
class DemoResult:
    """What `demo` returns: the measurement of the trained run, and how long all of it took."""

    measured: Measured
    pages: Path
    heat_maps: Path
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        extra = {"pages": str(self.pages), "heat_maps": str(self.heat_maps), "seconds": round(self.seconds, 1)}
        return {**self.measured.to_json(), **extra}

    def to_text(self) -> str:
        """Return what was reached, and where to go on."""
        found, zero = self.measured.metrics["accuracy"], self.measured.zero_r["accuracy"]
        return "\n".join(
            [
                self.measured.to_text(),
                f"Heat maps: {self.heat_maps}",
                f"Done in {self.seconds:.0f} s. Test accuracy {found.value:.3f} ({found.low:.3f} to {found.high:.3f}) "
                f"on {self.measured.n} pages by artists that were not in training; ZeroR {zero:.3f}.",
                f"Serve it:  kunstkammer serve {self.measured.run}    (a page to ask it on; the report is there too)",
                f"Try next:  kunstkammer predict {self.measured.run} {self.pages / 'test'}",
            ]
        )


def demo(out: str | Path = "demo", *, n: int = 1000, seed: int = 0, device: str | None = None) -> DemoResult:
    """Draw comic and manga pages, check them, train system C's network on them, measure and explain it.

    Args:
        out: the folder to make: `pages`, `health.html`, `run`, `heat-maps`.
        n: how many pages to draw.
        seed: the same seed gives the same pages and the same model.
        device: where the network runs, "auto", "cpu", "cuda" or "mps"; as for `open_run` where not given.

    Raises:
        KunstkammerError: where `out` exists already, or the disk refuses.
    """
    from kunstkammer.models.devices import choose_device
    from kunstkammer.training.run_folder import require_new
    from kunstkammer.workflows.check import check
    from kunstkammer.workflows.draw import draw
    from kunstkammer.workflows.explain import explain
    from kunstkammer.workflows.train import train

    choose_device(device)  # a device that is not there is named before anything is drawn
    start = time.perf_counter()
    folder = Path(out)
    require_new(folder)
    pages, run, maps = folder / "pages", folder / "run", folder / "heat-maps"
    say(f"1/4 Drawing {n} pages of comics and manga")
    say(draw("comics", out=pages, n=n, seed=seed).to_text())
    say("2/4 Looking the collection over")
    say(check(pages, out=folder / "health.html").to_text())
    say("3/4 Learning, measuring, explaining")
    measured = train(pages, "demo", out=run, settings={"seed": seed}, device=device)
    say("4/4 Heat maps of a few test pages")
    few = [file for label in ("comic", "manga") for file in sorted((pages / "test" / label).iterdir())[:3]]
    explain(run, few, out=maps, device=device)
    return DemoResult(cast("Measured", measured), pages, maps, time.perf_counter() - start)
