"""A page that is not drawn any more says so by itself, in the browser: a server that hangs, is killed or is out of
reach cannot. While the page lives nothing is shown, and nothing for a run that is over, which is not drawn again."""

from __future__ import annotations

import time

import streamlit as st

from crowdwatch.words import t

__all__ = ["LIMIT_S", "show_dead_man"]

LIMIT_S = 4.5
"""A page that is drawn once a second and was not for so long is dead: it must be said within 6 s."""

_JS = """
export default function ({ data, parentElement }) {
  const own = parentElement.deadMan ??= {};
  own.drawn = performance.now();
  own.data = data;
  const hide = () => { own.box?.remove(); own.box = null; };
  const look = () => {
    const silent = (performance.now() - own.drawn) / 1000;
    if (!own.data.moves || silent < own.data.limit_s) return hide();
    if (!own.box) {
      own.box = document.createElement("div");
      own.box.id = "cw-dead-man";
      own.box.setAttribute("role", "alert");
      own.box.style.cssText = "position:fixed;inset:0;z-index:2147483647;display:flex;flex-direction:column;" +
        "align-items:center;justify-content:center;gap:1rem;padding:2rem;text-align:center;color:#fff;" +
        "font:600 clamp(1.2rem,3vw,3rem)/1.3 sans-serif;background:repeating-linear-gradient(45deg," +
        "rgba(110,0,0,.94) 0 24px,rgba(20,0,0,.94) 24px 48px)";
      own.title = document.createElement("div");
      own.text = document.createElement("div");
      own.text.style.cssText = "font-size:.6em;font-weight:400;max-width:60em";
      own.age = document.createElement("div");
      own.age.setAttribute("aria-hidden", "true");
      own.title.textContent = own.data.title;
      own.text.textContent = own.data.text;
      own.box.append(own.title, own.text, own.age);
      document.body.append(own.box);
    }
    own.age.textContent = Math.floor(silent) + " s";
  };
  hide();
  own.timer ??= setInterval(look, 500);
  return () => { clearInterval(own.timer); own.timer = null; hide(); };
}
"""

_component = st.components.v2.component("crowdwatch_dead_man", js=_JS)


def show_dead_man(language: str, *, moves: bool, beat_s: float = 1.0) -> None:
    """Say to the browser that the page was drawn, and when it will be again.

    Args:
        language: of what is said.
        moves: whether the page is drawn again by itself.
        beat_s: how often.
    """
    texts = {"title": t(language, "deadman.title"), "text": t(language, "deadman.text")}
    limit_s = LIMIT_S + max(0.0, beat_s - 1.0)
    _component(data={"drawn": time.time_ns() // 1_000_000, "moves": moves, "limit_s": limit_s, **texts}, key="dead-man")
