"""Texts of people and rights, in Chinese."""

from __future__ import annotations

__all__ = ["PEOPLE"]

PEOPLE: dict[str, str] = {
    # roles
    "role.viewer": "查看员",
    "role.operator": "操作员",
    "role.commander": "指挥员",
    "role.administrator": "管理员",
    # rights
    "rights.needs": "您的角色只能查看：此操作需要{role}或更高角色。",
    "rights.denied": "您的角色无权执行此操作：需要{role}或更高角色。未执行任何操作。",
    "rights.ended": (
        "您的登录已失效：班次结束、已在其他标签页退出，或账号被更改。您刚才的操作未执行。"
        "请重新登录；已填写的内容会保留。"
    ),
    "rights.unknown": "无法确认您的身份，未执行任何操作。{message}",
    "demo.access": "演示：无需登录，仅限本机访问",
    # signing in and out
    "sign_in.title": "登录",
    "sign_in.name": "用户名",
    "sign_in.password": "密码",
    "sign_in.send": "登录",
    "sign_in.provider": "通过 {name} 登录",
    "sign_in.leave": "退出身份提供方",
    "sign_in.who": "{name} · {role} · 有效至 {time}",
    "sign_out": "在所有标签页退出",
    "sign_out.done": "已退出",
    "sign_out.text": "您已在此浏览器的所有标签页退出。",
    # first start
    "first.text": (
        "尚无任何账号。启动本页面的终端上显示了一个代码，半小时内有效，只能使用一次。用它创建第一个账号（管理员）。"
    ),
    "first.code": "终端上显示的代码",
    "first.password": "密码，至少 {n} 个字符",
    "first.again": "再次输入密码",
    "first.send": "创建第一个账号",
    # faults
    "fault.wait": "尝试次数过多。请等待 {seconds} 秒后重试。",
    "fault.wrong": "用户名或密码错误，或账号已停用。",
    "fault.served": "此次登录已结束。请在身份提供方重新登录。",
    "fault.issuer": "您的身份来自未获认可的签发方。",
    "fault.audience": "您的身份信息是为其他程序签发的。",
    "fault.claims": "您的身份信息缺少名称或主体。",
    "fault.mail": "身份提供方尚未确认您的邮箱地址。",
    "fault.no_role": "您在此没有角色。请联系管理员分配。",
    "fault.own_wrong": "当前密码错误。未作任何更改。",
    "fault.first_code": "代码错误、已使用或已过期。请重新启动页面以获取新代码。",
    "fault.differ": "两次输入的密码不一致。",
    "fault.name": "用户名须为 1 至 {most} 个可见字符。",
    "fault.taken": "已有同名或外观相同的账号。",
    "fault.role": "没有此角色。",
    "fault.unknown": "没有此账号。",
    "fault.last": "这是最后一名管理员。请先指定其他管理员。",
    "fault.length": "密码须为 {least} 至 {most} 个字符。建议使用多个词。",
    "fault.like_name": "密码与用户名过于接近。请使用多个词。",
    "fault.simple": "密码的不同字符少于四个。请使用多个词。",
    "fault.elsewhere": "密码由身份提供方保管。请在那里更改。",
    # accounts
    "page.accounts": "账号",
    "accounts.own": "您的密码",
    "accounts.old": "当前密码",
    "accounts.new": "新密码，至少 {n} 个字符",
    "accounts.change": "更改密码（将在所有标签页退出）",
    "accounts.all": "全部账号",
    "accounts.add": "添加账号",
    "accounts.role": "角色",
    "accounts.pick": "账号",
    "accounts.set_role": "设为此角色",
    "accounts.disable": "停用",
    "accounts.enable": "启用",
    "accounts.done": "已完成：{what}",
    "accounts.note": "更改角色、密码或状态会结束该账号的所有登录。",
    "col.name": "用户名",
    "col.role": "角色",
    "col.state": "状态",
    "accounts.enabled": "启用",
    "accounts.disabled": "停用",
}
