"""告警之后的各种文字（中文）：发给相关人员的消息。"""

from __future__ import annotations

__all__ = ["RESPONSE", "RESPONSE_TERMS"]

RESPONSE: dict[str, str] = {
    # messages
    "mark.exercise": "【演练】",
    "mark.test": "【测试】",
    "told.test": "测试消息",
    "told.over": "解除",
    "told.when": "事件时间：{date} {time}（{zone}）",
    "told.do": "处置：{text}",
    "told.from": "{event}，CrowdWatch。编号：{number}",
    "told.more": "{zone}及另外{more}个区域",
    "told.group": "同一原因，按一起告警处置：{zones}。",
    "told.list": "、",
    "told.radio_separator": "，",
    # why somebody is not told
    "suppressed.below_level": "低于该对象的接收级别",
    "suppressed.other_alarm": "该对象不接收此类告警",
    "suppressed.other_role": "已转给其他岗位",
    "suppressed.quiet": "该对象处于免打扰时段",
    "suppressed.cleared": "该对象不接收解除消息",
    "suppressed.acknowledged": "该对象不接收人工操作消息",
    "suppressed.never_told": "该对象未收到过此告警",
    "suppressed.set_aside": "告警已搁置或停用",
    "suppressed.too_old": "在开始通知该对象之前已结束",
    # delivery on the page
    "delivery": "通知情况",
    "delivery.none": "尚未通知任何人：本次运行未启动 crowdwatch notify。",
    "delivery.waiting": "等待中，已尝试 {n} 次：{why}",
    "delivery.sending": "发送中，第 {n} 次",
    "delivery.sent": "{time} 已送达",
    "delivery.suppressed": "未通知：{why}",
    "delivery.first": "首次发送",
    # commands and units
    "command.assign": "派出力量",
    "command.accept": "接受任务",
    "command.arrive": "已到达",
    "command.release": "解除任务",
    "command.unit": "力量状态",
    "command.confirm": "确认播报",
    "command.silence": "停止播报",
    "unit.free": "待命",
    "unit.assigned": "已派出",
    "unit.accepted": "途中",
    "unit.arrived": "到场",
    "unit.off": "不在岗",
    # spoken
    "voice.time": "现在时间{hour}点{minute}分。",
    # page
    "playbook.do": "处置措施",
    "playbook.call": "联系：{names}",
    "playbook.message": "播报内容：{text}",
    "playbook.none": "处置预案未涉及此告警。",
    "units": "现场力量",
    "units.none": "活动文件未列出现场力量。",
    "units.assign": "派出{unit}（{metres} 米）",
    "units.away": "{unit}：{state}，{zone}",
    "units.nobody": "没有待命力量。",
    "units.last": "未执行：{unit}：{reason}。",
    "respond": "处置告警",
    "respond.alert": "告警",
}

RESPONSE_TERMS: dict[str, dict[str, str]] = {
    "alarm": {
        "crowding": "人员密集",
        "blindness": "区域不可见",
        "build_up": "人数快速增长",
        "time_to_limit": "即将达到限值",
        "early": "早于计划",
        "uncalibrated": "摄像机未标定",
        "presence": "危险区域有人",
        "movement": "人群运动征兆",
        "report": "现场人员报告",
    },
}
