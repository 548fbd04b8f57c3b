"""Look and small pieces of HTML. Every text that comes from outside goes through ``safe``."""

from __future__ import annotations

from itertools import pairwise

from crowdwatch.core.outcomes import Level
from crowdwatch.rendering.palette import BAND_COLOURS, BAND_EDGES_P_M2, LEVEL_STYLES
from crowdwatch.ui.writing import safe
from crowdwatch.words import t

__all__ = ["CSS", "HATCH", "badge", "box", "legend", "notice"]

HATCH = "repeating-linear-gradient(45deg,#3a434d 0 7px,#20272f 7px 14px)"
"""What is not known, everywhere: grey stripes."""

CSS = """<style>
.block-container{padding:0.8rem 1.4rem 1rem 1.4rem;max-width:none}
header[data-testid="stHeader"]{background:transparent;height:0}
.stElementContainer:has(>.stHtml){margin-bottom:0}
.cw-bar{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;align-items:center;background:#1b232d;border-radius:.4rem;
 padding:.35rem .8rem;font-size:1rem;line-height:1.35}
.cw-mode{font-weight:800;font-size:1.25rem;letter-spacing:.05em;border:2px solid #f2f5f7;border-radius:.3rem;
 padding:0 .5rem}
.cw-label{font-weight:800;background:#f2f5f7;color:#000;border-radius:.3rem;padding:.1rem .5rem}
.cw-note{color:#c6d0d9}
.cw-time{font-variant-numeric:tabular-nums;font-weight:700;font-size:1.25rem}
.cw-strip{display:grid;grid-template-columns:1.1fr 1.5fr 1fr 1fr;gap:.6rem}
.cw-tile{background:#1b232d;border-radius:.4rem;padding:.45rem .8rem;min-width:0;border-left:.5rem solid #1b232d}
.cw-tile .k{color:#c6d0d9;font-size:.95rem}
.cw-tile .v{font-size:2.5rem;font-weight:800;line-height:1.1;font-variant-numeric:tabular-nums;white-space:nowrap;
 overflow:hidden;text-overflow:ellipsis}
.cw-tile .n{font-size:2rem}
.cw-tile .v .cw-badge{font-size:2.2rem}
.cw-tile .s{color:#dbe2e8;font-size:1rem;line-height:1.25;overflow-wrap:anywhere}
.cw-badge{display:inline-block;font-weight:800;font-size:1.2rem;border-radius:.3rem;padding:.02rem .5rem;
 white-space:nowrap}
.cw-loud{border-radius:.4rem;padding:.55rem .9rem;border:4px solid #fff;font-size:1.15rem;line-height:1.3;
 background:repeating-linear-gradient(45deg,#6b1208 0 16px,#8d1c0f 16px 32px);color:#fff}
.cw-loud b{font-size:1.6rem;display:block;letter-spacing:.02em}
.cw-calm{border-radius:.4rem;padding:.4rem .9rem;border:2px dashed #c6d0d9;background:#1b232d;font-size:1.05rem}
.cw-calm b{margin-right:.6rem}
.cw-alarm{border-radius:.4rem;padding:.4rem .7rem;background:#1b232d;border-left:.7rem solid #888;line-height:1.35;
 overflow-wrap:anywhere}
.cw-alarm .z{font-size:1.4rem;font-weight:800}
.cw-alarm .r{font-size:1rem;color:#dbe2e8}
.cw-open{outline:3px solid #fff;outline-offset:-3px}
.cw-hatch{background:repeating-linear-gradient(45deg,#3a434d 0 7px,#20272f 7px 14px)}
.cw-log{width:100%;border-collapse:collapse;font-size:.95rem}
.cw-log td,.cw-log th{padding:.12rem .4rem .12rem 0;text-align:left;vertical-align:top;overflow-wrap:anywhere;
 border-bottom:1px solid #2b3540}
.cw-log td:first-child{white-space:nowrap;font-variant-numeric:tabular-nums}
.cw-legend{display:flex;flex-wrap:wrap;gap:.15rem .7rem;font-size:.95rem;align-items:center}
.cw-sw{display:inline-block;width:1.5rem;height:1rem;border-radius:.15rem;vertical-align:-.15rem;margin-right:.3rem;
 border:1px solid #5b6671}
.cw-nopic{min-height:14rem;display:flex;align-items:center;justify-content:center;text-align:center;padding:1rem;
 border-radius:.4rem;font-size:1.2rem;font-weight:700}
.cw-h{font-size:1.15rem;font-weight:800;margin:.1rem 0}
.stButton button:focus-visible,
.stFormSubmitButton button:focus-visible{outline:4px solid #fff59d!important;outline-offset:2px}
@media (max-width:900px){.cw-strip{grid-template-columns:1fr 1fr}}
</style>"""


def badge(language: str, level: Level, text: str = "") -> str:
    """A level as sign, word and colour; ``text`` is added as it is and must be safe."""
    style = LEVEL_STYLES[level]
    word = t(language, f"level.{level.name.lower()}")
    return (
        f'<span class="cw-badge" style="background:{style.colour};color:{style.ink}">{style.sign} {word}'
        f"{' ' + text if text else ''}</span>"
    )


def notice(title: str, text: str, *, loud: bool) -> str:
    """A message over the whole page; the loud one is read out by screen readers at once."""
    kind, role = ("cw-loud", "alert") if loud else ("cw-calm", "status")
    return f'<div class="{kind}" role="{role}"><b>{safe(title)}</b>{safe(text)}</div>'


def box(key: str, value: str, note: str, colour: str = "", *, hatched: bool = False) -> str:
    """One tile of the top strip. ``value`` and ``note`` are HTML."""
    edge = f"border-left-color:{colour}" if colour else ""
    return (
        f'<div class="cw-tile{" cw-hatch" if hatched else ""}" style="{edge}"><div class="k">{safe(key)}</div>'
        f'<div class="v">{value}</div><div class="s">{note}</div></div>'
    )


def legend(language: str, bandwidth_m: float) -> str:
    """The density colours with their bands in p/m2, and the hatching of what is not seen."""
    ranges = [f"{low:g} – {high:g}" for low, high in pairwise(BAND_EDGES_P_M2)] + [f"≥ {BAND_EDGES_P_M2[-1]:g}"]
    pieces = [
        f'<span><span class="cw-sw" style="background:{colour}"></span>{band}</span>'
        for colour, band in zip(BAND_COLOURS, ranges, strict=True)
    ]
    unseen = f'<span><span class="cw-sw" style="background:{HATCH}"></span>{t(language, "map.legend.unseen")}</span>'
    title = t(language, "map.legend", unit=t(language, "unit.density"))
    smooth = t(language, "map.legend.bandwidth", b=f"{bandwidth_m:g}")
    return f'<div class="cw-legend"><b>{title}</b>{"".join(pieces)}{unseen}<span class="cw-note">{smooth}</span></div>'
