"""Every text of the page in English and Chinese, and how numbers, times and names are written."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime

__all__ = ["LANGUAGES", "TEXTS", "clock", "columns", "duration", "interval", "name_of", "number", "safe", "short", "t"]

LANGUAGES: dict[str, str] = {"en": "English", "zh": "中文"}

TEXTS: dict[str, tuple[str, str]] = {
    # what the page is
    "title": ("CrowdWatch", "人群观测"),
    "page.watch": ("Watch", "监看"),
    "page.journal": ("Alert journal", "告警日志"),
    "language": ("Language", "语言"),
    "operator": ("Operator", "操作员"),
    "operator.help": ("Written beside everything that you do here.", "您的每项操作都会记录此名称。"),
    "unknown": ("UNKNOWN", "未知"),
    "unit.density": ("p/m²", "人/m²"),
    # modes and notices
    "mode.live": ("LIVE", "实时"),
    "mode.replay": ("REPLAY", "回放"),
    "mode.batch": ("BATCH", "批处理"),
    "label.synthetic": ("SYNTHETIC SCENE: no real people", "合成场景：非真实人群"),
    "label.demonstration": ("DEMONSTRATION LIMITS: not for real use", "演示限值：不可用于实际安保"),
    "event_time": ("Event time", "事件时间"),
    "local": ("local", "本地"),
    "speed": ("speed", "速度"),
    "speed.max": ("as fast as it can", "最快"),
    "heartbeat": ("engine heartbeat", "引擎心跳"),
    "ago": ("{age} ago", "{age}前"),
    # state of the run
    "pulse.running": ("running", "运行中"),
    "pulse.paused": ("paused", "已暂停"),
    "pulse.stopped": ("stopped", "已停止"),
    "pulse.finished": ("finished", "已结束"),
    "pulse.failed": ("failed", "失败"),
    "pulse.dead": ("NO HEARTBEAT", "无心跳"),
    "dead.title": ("THE ENGINE IS SILENT: EVERYTHING IS UNKNOWN", "引擎无响应：全部状态未知"),
    "dead.text": (
        "No heartbeat for {age}. The last numbers were those of {time}. Start the engine again; until then "
        "rely on people on site.",
        "已 {age} 没有心跳。最后数据时间为 {time}。请重新启动引擎；在此之前请依靠现场人员。",
    ),
    "dead.future": (
        "The engine's clock is {age} ahead of this machine's. Whether it lives cannot be told: set both clocks.",
        "引擎时钟比本机快 {age}，无法判断其是否在运行：请校准两边的时钟。",
    ),
    "failed.title": ("THE RUN FAILED: EVERYTHING IS UNKNOWN", "运行失败：全部状态未知"),
    "failed.text": ("{message} Nothing after {time} was analysed.", "{message} {time} 之后的内容未分析。"),
    "failed.silent": ("The engine gave no reason; see its log.", "引擎未说明原因，请查看其日志。"),
    "run.says": ("THE ENGINE REPORTS", "引擎报告"),
    "paused.title": ("PAUSED", "已暂停"),
    "paused.text": ("Everything below is that of {time}.", "以下内容均为 {time} 的状态。"),
    "stopped.title": ("STOPPED", "已停止"),
    "stopped.text": ("Nothing after {time} was analysed.", "{time} 之后的内容未分析。"),
    "back.title": ("LOOKING BACK", "正在回看"),
    "back.text": ("You see {time}. The newest is {newest}.", "当前显示 {time}。最新为 {newest}。"),
    "store.none.title": ("Nothing has been recorded yet", "尚无记录"),
    "store.none.text": (
        "There is no store at `{url}`. Start a replay and this page fills by itself:",
        "在 `{url}` 没有数据库。启动回放后，本页会自动显示：",
    ),
    "store.empty.title": ("No run yet", "尚无运行"),
    "store.empty.text": (
        "The store holds no run. Start a replay and this page fills by itself:",
        "数据库中没有运行。启动回放后，本页会自动显示：",
    ),
    "store.lost.title": ("THE STORE CANNOT BE READ: EVERYTHING IS UNKNOWN", "无法读取数据库：全部状态未知"),
    "store.lost.text": (
        "{message} The page tries again by itself; rely on people on site.",
        "{message} 本页会自动重试；在此之前请依靠现场人员。",
    ),
    "run.bad.title": ("This run cannot be shown", "无法显示此运行"),
    # top strip
    "people": ("People seen in the zones", "各区域可见人数"),
    "people.none": ("no zone is seen", "没有可见区域"),
    "people.interval": ("between {low} and {high}", "{low} 至 {high} 之间"),
    "people.partial": ("at least; {n} of {m} zones unknown", "至少；{m} 个区域中 {n} 个未知"),
    "people.overlap": ("zones overlap: some are counted twice", "区域重叠：部分人员重复计数"),
    "worst": ("Worst zone", "最严重区域"),
    "worst.none": ("none known", "无已知区域"),
    "alarms_open": ("Alarms open", "未解除告警"),
    "alarms_unacked": ("{n} not acknowledged", "{n} 条未确认"),
    "alarms_all_acked": ("all acknowledged", "全部已确认"),
    "alarms_none": ("none", "无"),
    "zones_unknown": ("Zones unknown", "未知区域"),
    "zones_unknown.of": ("of {m}", "共 {m} 个"),
    # levels, qualities, healths
    "level.unknown": ("UNKNOWN", "未知"),
    "level.normal": ("NORMAL", "正常"),
    "level.watch": ("WATCH", "关注"),
    "level.caution": ("CAUTION", "注意"),
    "level.alert": ("ALERT", "警戒"),
    "level.critical": ("CRITICAL", "危急"),
    "quality.good": ("good", "良好"),
    "quality.degraded": ("degraded", "受限"),
    "quality.stale": ("stale: no news for {age}", "过时：已 {age} 无数据"),
    "quality.stale.never": ("stale: no news yet", "过时：尚无数据"),
    "quality.blind": ("blind: not seen", "不可见"),
    "health.ok": ("ok", "正常"),
    "health.dark": ("DARK", "过暗"),
    "health.overexposed": ("OVEREXPOSED", "过曝"),
    "health.covered": ("COVERED", "被遮挡"),
    "health.noisy": ("NOISE ONLY", "画面只有噪声"),
    "health.frozen": ("FROZEN", "画面冻结"),
    "health.silent": ("SILENT", "无信号"),
    "reading.none": ("no reading at this time", "此时刻没有读数"),
    "reading.engine": ("the engine does not say", "引擎无数据"),
    # map
    "map": ("Site map", "场地图"),
    "map.density": ("Density", "密度"),
    "map.legend": ("Density, {unit}", "密度，{unit}"),
    "map.legend.unseen": ("not seen: unknown", "不可见：未知"),
    "map.legend.bandwidth": ("smoothed over {b} m", "平滑半径 {b} 米"),
    "map.camera": ("camera {name}", "摄像机 {name}"),
    "map.gate": ("gate {name}", "闸口 {name}"),
    "map.table": ("The map as a table", "以表格查看地图"),
    "map.alt": (
        "Map of {site} at {time}: {n} zones, worst {worst}. The table below holds the same.",
        "{site} 于 {time} 的地图：{n} 个区域，最严重为 {worst}。下方表格内容相同。",
    ),
    "map.nogrid": ("No density field at this time.", "此时刻没有密度场。"),
    "col.zone": ("Zone", "区域"),
    "col.level": ("Level", "等级"),
    "col.density": ("Density p/m²", "密度 人/m²"),
    "col.count": ("Persons", "人数"),
    "col.interval": ("Interval", "区间"),
    "col.peak": ("Peak p/m²", "峰值 人/m²"),
    "col.occupancy": ("Of capacity", "容量占比"),
    "col.seen": ("Seen", "可见"),
    "col.age": ("Age", "数据时长"),
    "col.quality": ("Quality", "质量"),
    "col.reason": ("Reason", "原因"),
    "col.time": ("Time", "时间"),
    "col.what": ("What", "内容"),
    "col.value": ("Value", "数值"),
    "col.limit": ("Limit", "限值"),
    "col.cause": ("Cause", "起因"),
    # camera
    "camera": ("Camera", "摄像机"),
    "camera.age": ("{name}: picture of {time}, {age} old", "{name}：{time} 的画面，已过 {age}"),
    "camera.old": ("OLD PICTURE: {age} behind", "画面过旧：滞后 {age}"),
    "camera.batch": (
        "A batch makes no pictures: replay a part of the footage to see it",
        "批处理不生成画面：可回放片段查看",
    ),
    "camera.none": ("No picture of this camera for this time", "此时刻没有该摄像机的画面"),
    "camera.hidden": ("No picture: the engine is silent", "无画面：引擎无响应"),
    "camera.health": ("camera health: {health}", "摄像机状态：{health}"),
    "camera.saturated": ("detector limit reached: people may be missing", "检测器达到上限：可能漏计"),
    "camera.coarse": ("Coarsened on purpose: nobody can be recognised.", "画面已粗化处理：无法辨认个人。"),
    "camera.alt": (
        "Coarsened picture of camera {name} with density colours and boxes",
        "摄像机 {name} 的粗化画面，叠加密度颜色与检测框",
    ),
    # alerts
    "alerts": ("Alerts", "告警"),
    "alerts.none": ("No alarm is open.", "没有未解除的告警。"),
    "alerts.stale": (
        "As of {time}: the engine is silent, more may have happened.",
        "截至 {time}：引擎无响应，情况可能已变化。",
    ),
    "alerts.recent": ("What happened, newest first", "事件记录（最新在前）"),
    "alerts.recent.none": ("Nothing has happened yet.", "尚无事件。"),
    "alerts.since": ("since {time} ({age})", "自 {time} 起（{age}）"),
    "alarm.crowding": ("Crowding", "人群拥挤"),
    "alarm.blindness": ("Blind zone", "区域失明"),
    "state.unacknowledged": ("NOT ACKNOWLEDGED", "未确认"),
    "state.acknowledged": ("acknowledged", "已确认"),
    "state.cleared_unacknowledged": ("over, not acknowledged", "已解除，未确认"),
    "state.normal": ("normal", "正常"),
    "transition.raised": ("raised", "触发"),
    "transition.level_up": ("level up", "升级"),
    "transition.level_down": ("level down", "降级"),
    "transition.cleared": ("cleared", "解除"),
    "transition.acknowledged": ("acknowledged", "确认"),
    "ack": ("Acknowledge {zone}: {alarm}", "确认 {zone}：{alarm}"),
    "ack.sent": ("sent, waiting for the engine", "已发送，等待引擎"),
    "ack.back": ("Follow the newest to acknowledge.", "请切换到最新时刻后再确认。"),
    "ack.over": ("This run is over: nothing can be acknowledged.", "此运行已结束，无法确认。"),
    "ack.failed": ("Not sent: {message}", "未发送：{message}"),
    # chart
    "chart": ("Over time", "随时间变化"),
    "chart.zone": ("Zone", "区域"),
    "chart.window": ("Span", "时段"),
    "chart.window.120": ("2 min", "2 分钟"),
    "chart.window.900": ("15 min", "15 分钟"),
    "chart.window.3600": ("1 h", "1 小时"),
    "chart.window.0": ("all", "全部"),
    "chart.density": ("Density, p/m²", "密度，人/m²"),
    "chart.count": ("Persons", "人数"),
    "chart.bucket": ("each point: the highest of {s} s", "每点为 {s} 秒内的最高值"),
    "chart.gap": ("gaps: unknown", "空白处：未知"),
    "chart.none": ("No reading yet.", "尚无读数。"),
    "chart.table": ("The chart as a table", "以表格查看图表"),
    "chart.alt": (
        "Density and persons of zone {zone} over time. The table below holds the same.",
        "区域 {zone} 的密度与人数随时间变化。下方表格内容相同。",
    ),
    # controls
    "controls": ("Replay", "回放"),
    "run": ("Run", "运行"),
    "run.newest": ("Newest run", "最新运行"),
    "follow": ("Follow the newest", "跟随最新"),
    "look_at": ("Look at (UTC)", "查看时刻（UTC）"),
    "pause": ("Pause", "暂停"),
    "resume": ("Resume", "继续"),
    "stop": ("Stop", "停止"),
    "stop.sure": ("Really stop?", "确定停止？"),
    "set_speed": ("Speed", "速度"),
    "apply": ("Set", "设定"),
    "again": ("Watch again", "再看一次"),
    "again.speed": ("Speed", "速度"),
    "again.started": (
        "A replay of the log has been started; it shows up here in a moment.",
        "已启动日志回放，稍后将在此显示。",
    ),
    "again.failed": ("The replay did not start: {message}", "回放未能启动：{message}"),
    "command.pause": ("pause", "暂停"),
    "command.resume": ("resume", "继续"),
    "command.stop": ("stop", "停止"),
    "command.speed": ("speed", "速度"),
    "command.sent": ("{what}: sent, waiting for the engine", "{what}：已发送，等待引擎"),
    "command.dead": ("The engine is silent: it will not hear commands.", "引擎无响应，无法接收命令。"),
    # hand counts
    "page.audits": ("Hand counts", "人工核对"),
    "count": ("Count the people in this picture", "清点此画面中的人数"),
    "count.help": (
        "Holds this picture still; the rest of the page goes on. Count everybody in it, with a box or without.",
        "此画面将保持不动，页面其余部分继续更新。请清点画面中的所有人，无论是否有检测框。",
    ),
    "count.held": ("PICTURE HELD FOR COUNTING", "画面已定格以供清点"),
    "count.held.text": ("You see {time}; the newest is {newest}.", "当前画面为 {time}；最新为 {newest}。"),
    "count.people": ("People in the picture of {time}", "{time} 画面中的人数"),
    "count.actor": ("Counted by", "清点人"),
    "count.save": ("Save the count", "保存人数"),
    "count.leave": ("Back to the newest picture", "返回最新画面"),
    "count.none": ("no number was given. Write how many people you counted.", "未填写人数。请填写清点到的人数。"),
    "count.failed": ("Not saved: {message}", "未保存：{message}"),
    "count.again": (
        "Counted before: {n} by {actor} (entry {entry}). Saving corrects it.",
        "已有清点：{n} 人（{actor}，记录 {entry}）。保存将更正该记录。",
    ),
    "count.done": (
        "Saved as entry {entry}: {n} by hand, {found} by the program, picture of {time}. The factor is {factor}.",
        "已保存为记录 {entry}：人工 {n} 人，程序 {found} 人，画面时间 {time}。此摄像机的系数：{factor}。",
    ),
    "audits.never": ("NEVER AUDITED: {names}", "从未人工核对：{names}"),
    "audits.never.text": (
        "Nobody knows how far these cameras' counts are off. Count some of their pictures on the watch page.",
        "无人知道这些摄像机的计数偏差。请在监看页面清点其若干画面。",
    ),
    "audits.cameras": ("Cameras of this event", "本次活动的摄像机"),
    "audits.note": (
        "Factor: true people for every one that the program finds, with the interval that holds it nine times in ten.",
        "系数：程序每计 1 人对应的实际人数；区间的覆盖率为 90%。",
    ),
    "audits.entries": ("Every count, newest first", "全部清点记录（最新在前）"),
    "audits.none": ("Nobody has counted a picture yet.", "尚无人工清点。"),
    "audits.row.never": ("NEVER AUDITED: interval of cameras in general", "从未核对：区间为一般摄像机的区间"),
    "audits.row.few": ("fewer than {n} pictures: drawn towards 1", "少于 {n} 个画面：系数向 1 收缩"),
    "audits.row.aside": ("{n} beside another program left aside", "{n} 条属于其他程序，未计入"),
    "audits.corrects": ("corrects entry {entry}", "更正记录 {entry}"),
    "audits.corrected": ("corrected by entry {entry}", "已由记录 {entry} 更正"),
    "col.camera": ("Camera", "摄像机"),
    "col.pictures": ("Pictures counted", "清点画面数"),
    "col.counted": ("By hand", "人工"),
    "col.found": ("By the program", "程序"),
    "col.factor": ("Factor", "系数"),
    "col.factor_interval": ("90 % interval", "90% 区间"),
    "col.note": ("Note", "备注"),
    "col.entry": ("Entry", "记录"),
    "col.actor": ("Counted by", "清点人"),
    "col.run": ("Run", "运行"),
}


def t(language: str, key: str, **values: object) -> str:
    """The text of ``key`` in a language, with its values filled in.

    >>> t("en", "alarms_unacked", n=2), t("zh", "alarms_unacked", n=2)
    ('2 not acknowledged', '2 条未确认')
    """
    text = TEXTS[key][1 if language == "zh" else 0]
    return text.format(**values) if values else text


def number(value: float, digits: int = 1, unknown: str = "?") -> str:
    """A number, or ``?`` when it is unknown; never an empty place that reads as zero.

    >>> number(3.14159, 2), number(float("nan")), number(float("inf"))
    ('3.14', '?', '?')
    """
    return f"{value:.{digits}f}" if math.isfinite(value) else unknown


def interval(low: float, high: float) -> str:
    """An interval of persons, widened to whole persons.

    >>> interval(7.4, 9.1), interval(7.4, float("nan"))
    ('7 – 10', '7 – ?')
    """
    ends = (str(math.floor(low)) if math.isfinite(low) else "?", str(math.ceil(high)) if math.isfinite(high) else "?")
    return " – ".join(ends)


def duration(seconds: float) -> str:
    """A time span in at most two units.

    >>> duration(0.4), duration(75), duration(7265), duration(float("inf"))
    ('0.4 s', '1 min 15 s', '2 h 01 min', '?')
    """
    if not math.isfinite(seconds):
        return "?"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def clock(t_ns: int, *, local: bool = False, date: bool = False) -> str:
    """Event time of day, in UTC or in this machine's time zone, with the zone's name when local.

    >>> clock(1_262_304_000_000_000_000), clock(1_262_304_000_000_000_000, date=True)
    ('00:00:00', '2010-01-01 00:00:00')
    """
    moment = datetime.fromtimestamp(t_ns // 1_000_000_000, UTC)
    shape = "%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S"
    if local:
        return moment.astimezone().strftime(shape + " %Z")
    return moment.strftime(shape)


def columns(text: str) -> int:
    """Width of a text in columns; a Chinese character is two wide.

    >>> columns("ab城")
    4
    """
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def short(text: str, most: int = 18) -> str:
    """Cut a name to a width in columns.

    >>> short("north gate"), short("the very long name of a gate"), short("人民广场东北角出口通道")
    ('north gate', 'the very long nam…', '人民广场东北角出…')
    """
    if columns(text) <= most:
        return text
    kept, used = "", 1
    for character in text:
        used += columns(character)
        if used > most:
            break
        kept += character
    return kept.rstrip() + "…"


def name_of(names: Mapping[str, str], fallback: str, language: str) -> str:
    """The name in the language, else in English, else any, else the id; without control characters.

    >>> name_of({"en": "North gate"}, "g1", "zh")
    'North gate'
    """
    name = names.get(language) or names.get("en") or next((v for v in names.values() if v), "") or fallback
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in name)).strip() or fallback


def safe(text: str) -> str:
    """Text from an event file or an engine, made harmless in HTML."""
    return html.escape(text, quote=True)
