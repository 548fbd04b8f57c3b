"""The engine's sentences in the page's language. The engine writes English; what is not known here stays English."""

from __future__ import annotations

import math
import re

from crowdwatch.core.outcomes import Quality, ZoneReading
from crowdwatch.ui.words import TEXTS, duration, t

__all__ = ["quality_text", "reason_text"]

_HEALTH_ZH = {key.split(".", 1)[1]: texts[1] for key, texts in TEXTS.items() if key.startswith("health.")}
_QUANTITY_ZH = {"density": "密度", "count": "人数", "occupancy": "占用率"}
_UNIT_ZH = {"p/m2": "人/m²", "persons": "人", "of capacity": "（占容量）"}

_SENTENCES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), chinese)
    for pattern, chinese in (
        (r"no camera sees this zone", "没有摄像机能看到此区域"),
        (r"no picture yet", "尚无画面"),
        (r"below all limits", "低于所有限值"),
        (r"the zone is seen again", "区域恢复可见"),
        (r"(\d+) % of the zone is seen", r"可见该区域的 \1 %"),
        (r"camera (\S+): detector limit reached, people may be missing", r"摄像机 \1：检测器达到上限，可能漏计"),
        (r"camera (\S+): calibration error unknown", r"摄像机 \1：标定误差未知"),
        (r"camera (\S+): counts times (\S+) after (\d+) hand counts", r"摄像机 \1：人数已按 \3 次人工计数乘以 \2"),
        (r"camera (\S+): hand counts are too far from the program's", r"摄像机 \1：人工计数与程序结果相差过大"),
        (r"camera (\S+): the counter failed", r"摄像机 \1：密度计数失败"),
        (r"camera (\S+): the counter is silent", r"摄像机 \1：密度计数暂无结果"),
        (r"camera (\S+): the counter is silent where people stand close", r"摄像机 \1：人群密集处密度计数暂无结果"),
        (
            r"camera (\S+): people stand too close to be counted by boxes alone",
            r"摄像机 \1：人群过密，仅靠检测框无法计数",
        ),
        (
            r"camera (\S+): heads cannot be put on the ground with its calibration",
            r"摄像机 \1：其标定无法将头部投影到地面",
        ),
        (r"acknowledged by (.+)", r"由 \1 确认"),
        (r"people here are not counted: (.+)", r"此处人数未统计：\1"),
    )
)
_CAMERA_IS = re.compile(r"camera (\S+) is ([a-z]+)")
_AGAINST = re.compile(
    r"(density|count|occupancy) (\S+)(?: (.+?))??(?: with probability (\S+))?, limit (\S+) (.+?) for (\S+) s"
)


def _chinese(sentence: str) -> str:
    against = _AGAINST.fullmatch(sentence)
    if against:
        quantity, value, _, chance, limit, unit, delay = against.groups()
        said = "未知" if value == "unknown" else f"{value} {_UNIT_ZH.get(unit, unit)}"
        said += f"（概率 {chance}）" if chance else ""
        return f"{_QUANTITY_ZH[quantity]} {said}，限值 {limit} {_UNIT_ZH.get(unit, unit)}，持续 {delay} 秒"
    for pattern, chinese in _SENTENCES:
        match = pattern.fullmatch(sentence)
        if match:
            nested = sentence.startswith("people here")
            return chinese.replace(r"\1", _parts(match[1])) if nested else match.expand(chinese)
    return _CAMERA_IS.sub(lambda m: f"摄像机 {m[1]} {_HEALTH_ZH.get(m[2], m[2])}", sentence)


def _parts(reason: str) -> str:
    """Translate sentence by sentence; a list of ill cameras is one sentence per camera."""
    if _AGAINST.fullmatch(reason):
        return _chinese(reason)
    if reason.startswith("people here"):
        return _chinese(reason)
    return "；".join(_chinese(part) for part in re.split(r"; |, (?=camera \S+ is )", reason))


def reason_text(language: str, reason: str) -> str:
    """A reason in the page's language.

    >>> reason_text("zh", "camera north is frozen; 40 % of the zone is seen")
    '摄像机 north 画面冻结；可见该区域的 40 %'
    >>> reason_text("en", "no picture yet")
    'no picture yet'
    """
    if reason in TEXTS:
        return t(language, reason)
    return _parts(reason) if language == "zh" and reason else reason


def quality_text(language: str, reading: ZoneReading) -> str:
    """The quality of a reading in words, with the age where it is stale."""
    if reading.quality != Quality.STALE:
        return t(language, f"quality.{reading.quality.value}")
    if not math.isfinite(reading.age_s):
        return t(language, "quality.stale.never")
    return t(language, "quality.stale", age=duration(reading.age_s))
