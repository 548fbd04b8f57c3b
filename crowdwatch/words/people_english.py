"""Texts of people and rights, in English: sign-in, accounts, what a role may not do."""

from __future__ import annotations

__all__ = ["PEOPLE"]

PEOPLE: dict[str, str] = {
    # roles
    "role.viewer": "viewer",
    "role.operator": "operator",
    "role.commander": "commander",
    "role.administrator": "administrator",
    # rights
    "rights.needs": "Your role may only look here: this needs the role {role} or above.",
    "rights.denied": "Your role may not do this: it needs the role {role} or above. Nothing was done.",
    "rights.ended": (
        "Your sign-in has ended: the shift is over, you signed out in another tab, or your account was changed. What "
        "you did last was not done. Sign in again; what you had typed is kept."
    ),
    "rights.unknown": "It cannot be told who you are, so nothing was done. {message}",
    "demo.access": "DEMONSTRATION: open without a sign-in, on this machine only",
    # signing in and out
    "sign_in.title": "Sign in",
    "sign_in.name": "Name",
    "sign_in.password": "Password",
    "sign_in.send": "Sign in",
    "sign_in.provider": "Sign in by {name}",
    "sign_in.leave": "Leave the identity provider",
    "sign_in.who": "{name} · {role} · until {time}",
    "sign_out": "Sign out in all tabs",
    "sign_out.done": "Signed out",
    "sign_out.text": "You are signed out in every tab of this browser.",
    # first start
    "first.text": (
        "Nobody has an account yet. The terminal in which the page was started shows a code that is good once, for "
        "half an hour. It makes the first account, an administrator."
    ),
    "first.code": "Code from the terminal",
    "first.password": "Password, at least {n} characters",
    "first.again": "The same password again",
    "first.send": "Make the first account",
    # faults
    "fault.wait": "Too many attempts. Wait {seconds} s, then try again.",
    "fault.wrong": "Name or password is wrong, or the account is disabled.",
    "fault.served": "This sign-in was ended. Sign in at your identity provider again.",
    "fault.issuer": "Your identity comes from an issuer that is not named here.",
    "fault.audience": "Your identity was made for another program.",
    "fault.claims": "Your identity has no name or no subject.",
    "fault.mail": "Your address of mail is not confirmed by the identity provider.",
    "fault.no_role": "You have no role here. Ask the administrator for one.",
    "fault.own_wrong": "The present password is wrong. Nothing was changed.",
    "fault.first_code": "The code is wrong, was used, or is over. Start the page again: it prints another one.",
    "fault.differ": "The two passwords differ.",
    "fault.name": "A name has 1 to {most} visible characters.",
    "fault.taken": "There is an account of this name, or of one that looks the same.",
    "fault.role": "There is no such role.",
    "fault.unknown": "There is no account of this name.",
    "fault.last": "This is the last administrator. Make somebody else one before.",
    "fault.length": "A password has {least} to {most} characters. Several words are good.",
    "fault.like_name": "The password is hardly more than the name. Choose several words.",
    "fault.simple": "The password has fewer than four different characters. Choose several words.",
    "fault.elsewhere": "Your identity provider keeps your password. Change it there.",
    # accounts
    "page.accounts": "Accounts",
    "accounts.own": "Your password",
    "accounts.old": "Present password",
    "accounts.new": "New password, at least {n} characters",
    "accounts.change": "Change the password, which signs you out in every tab",
    "accounts.all": "All accounts",
    "accounts.add": "Add an account",
    "accounts.role": "Role",
    "accounts.pick": "Account",
    "accounts.set_role": "Give it this role",
    "accounts.disable": "Disable it",
    "accounts.enable": "Enable it",
    "accounts.done": "Done: {what}",
    "accounts.note": "A change of the role, the password or the state ends every sign-in of the account.",
    "col.name": "Name",
    "col.role": "Role",
    "col.state": "State",
    "accounts.enabled": "enabled",
    "accounts.disabled": "disabled",
}
