"""Learning curves of every logged run of a model, as one picture: ``python -m pipelines.train curves models/NAME``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crowdwatch.errors import ConfigError

__all__ = ["draw"]


def draw(folder: Path) -> Path:
    """Draw ``run*.json`` of a model's folder, or ``validation.json`` of a run's, into ``curves.png``: lists of
    validations with ``step``, ``mae_A``, ``mae_B``.

    Raises:
        ConfigError: no log, or one that cannot be read.
    """
    logs = {path.stem: _log(path) for path in _logs(folder)}
    if not logs:
        raise ConfigError(f"{folder}: no run*.json. Copy a run's validation.json there under the name of its recipe.")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for part, axis in zip("AB", figure.subplots(1, 2), strict=True):
        for name, entries in logs.items():
            steps = [entry["step"] / 1000 for entry in entries]
            axis.plot(steps, [entry[f"mae_{part}"] for entry in entries], marker="o", markersize=3, label=name)
        axis.set(title=f"ShanghaiTech {part}, validation", xlabel="thousand steps of the run", ylabel="MAE, persons")
        axis.set_yscale("log")
        for which in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
            which(lambda persons, _: f"{persons:g}")
        axis.grid(visible=True, which="both", alpha=0.3)
    axis.legend()
    FigureCanvasAgg(figure).print_png(folder / "curves.png")  # type: ignore[no-untyped-call]
    return folder / "curves.png"


def _logs(folder: Path) -> list[Path]:
    # run10 comes after run9
    runs = sorted(folder.glob("run*.json"), key=lambda path: (len(path.stem), path.stem))
    return runs or list(folder.glob("validation.json"))


def _log(path: Path) -> list[dict[str, Any]]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [{key: float(entry[key]) for key in ("step", "mae_A", "mae_B")} for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ConfigError(f"{path}: no log of validations ({type(err).__name__}: {err}).") from err
