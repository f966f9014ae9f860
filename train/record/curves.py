"""How training went, as a picture."""

from typing import Any

from edgepress.base.extras import require

from .history import History

__all__ = ["draw_curves"]

_PANELS = (("loss", "cross-entropy"), ("accuracy", "share of images"))


def draw_curves(history: History) -> Any:
    """Loss and accuracy by epoch, fit after fit, on training and on validation images; a matplotlib figure.

    Training figures are of the distorted images and of dropout, so that validation can look better.
    """
    figure = require("matplotlib.figure", extra="toolkit").Figure((9, 3.5), layout="constrained")
    panels = figure.subplots(1, len(_PANELS))
    for axes, (metric, unit) in zip(panels, _PANELS, strict=True):
        start = 0
        for name, fit in history.fits.items():
            epochs = range(start + 1, start + len(fit["epochs"]) + 1)
            first = start == 0
            for prefix, color in (("", "tab:gray"), ("validation_", "tab:blue")):
                values = [record[prefix + metric] for record in fit["epochs"]]
                label = ("validation" if prefix else "training") if first else None
                axes.plot(epochs, values, color=color, label=label)
            best = fit["best_epoch"]
            axes.plot(epochs[best], fit["epochs"][best][f"validation_{metric}"], "o", color="tab:red")
            axes.axvline(start + 0.5, color="0.85", linewidth=0.8)
            axes.annotate(name, (start + 0.7, 1.01), xycoords=("data", "axes fraction"), fontsize=8)
            start += len(fit["epochs"])
        axes.set(xlabel="epoch", ylabel=f"{metric}, {unit}")
    panels[0].legend()
    return figure
