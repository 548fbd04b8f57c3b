"""The page with accounts: nothing without a sign-in, and every action asks for its right, for every role."""

from __future__ import annotations

import json
import time
from typing import Any

import argon2
import pytest
from streamlit.testing.v1 import AppTest

from crowdwatch.accounts import passwords, providers
from crowdwatch.accounts.desk import Desk
from crowdwatch.core.accounts import By
from crowdwatch.core.rights import LEAST, ROLES, Right, at_least, right_of
from crowdwatch.core.runs import CommandKind, Mode
from crowdwatch.store.people import SqlPeople
from crowdwatch.ui import controls, cookies, session

from .conftest import APP, surge

GOOD = "four plain words here"
BY = By("root", "", "terminal")
HOSTILE = "![p](http://x.y/p.png) <img src=x> $q$ :bomb: :red[b] **c**"


@pytest.fixture
def desk(seed: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A store whose page asks for a sign-in, with an account of each role."""
    monkeypatch.setenv(session.ACCESS_VARIABLE, "required")
    monkeypatch.setattr(passwords, "_hasher", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobody.cache_clear()
    session._people.clear()
    people = SqlPeople(seed.url)
    found = Desk(people)
    for role in ROLES:
        found.add(role, role, GOOD, BY, time.time_ns())
    yield found
    people.close()
    passwords._nobody.cache_clear()


def html(test: AppTest) -> str:
    return "\n".join(element.proto.body for element in test.get("html"))


def opened(**query: str) -> AppTest:
    test = AppTest.from_file(APP, default_timeout=120)
    for key, value in query.items():
        test.query_params[key] = value
    return test.run()


def press(test: AppTest, part: str) -> AppTest:
    button = next(each for each in test.button if part in each.label)
    return button.click().run()


def sign_in(test: AppTest, name: str, password: str = GOOD) -> AppTest:
    test.text_input(key="sign-in-name").set_value(name)
    test.text_input(key="sign-in-password").set_value(password)
    return press(test, "Sign in")


def test_the_door_opens_for_a_password_and_closes_for_all_when_rights_change(seed: Any, desk: Any) -> None:
    """Nothing of a run is drawn outside; what was typed is kept for the same person; the action is not done."""
    seed.run(density=surge)
    test = opened()
    assert not test.exception
    assert "Stage front" not in html(test)
    assert [each.key for each in test.text_input] == ["sign-in-name", "sign-in-password"]
    sign_in(test, "operator", "wrong wrong wrong")
    assert "Name or password is wrong" in html(test)
    assert "用户名或密码错误" in html(sign_in_chinese(opened(lang="zh")))
    sign_in(test, "operator")
    assert not test.exception, test.exception
    assert "Stage front" in html(test)
    assert test.session_state["sign-in-password"] == ""  # forgotten once it was looked at
    assert not [each for each in test.text_input if each.key == "operator"]  # the name is that of the account
    test.text_input(key="report-words").set_value("at the fountain").run()

    desk.set_role("operator", "viewer", BY, time.time_ns())
    test = press(test, "Acknowledge Stage front")
    assert "Your sign-in has ended" in html(test)
    assert "Stage front" not in html(test)
    assert seed.store.pending("r1") == []
    desk.set_role("operator", "operator", BY, time.time_ns())
    sign_in(test, "operator")
    assert test.text_input(key="report-words").value == "at the fountain"
    test = press(test, "Acknowledge Stage front")
    (command,) = seed.store.pending("r1")
    assert (command.actor, command.role) == ("operator", "operator")

    second = sign_in(opened(), "operator")
    test = press(test, "Sign out in all tabs")
    assert "Signed out" in html(test)
    assert "Stage front" not in html(test)
    assert "Stage front" in html(second.run())  # another browser, which signed in by itself
    kinds = [entry.kind for entry in desk.people.entries() if entry.kind != "account"]
    assert kinds == ["sign_in_refused", "sign_in_refused", "sign_in", "sign_in", "command", "sign_in", "sign_out"]
    assert desk.people.fault() is None


def sign_in_chinese(test: AppTest) -> AppTest:
    test.text_input(key="sign-in-name").set_value("nobody")
    test.text_input(key="sign-in-password").set_value("wrong wrong wrong")
    return press(test, "登录")


ACTIONS: dict[str, Right] = {
    **{kind.value: right_of(kind) for kind in CommandKind if kind is not CommandKind.UNKNOWN},
    "stop a live run": Right.STOP_LIVE,
    "hand count": Right.HAND_COUNT,
    "start a replay": Right.START_REPLAY,
    "download": Right.EXPORT,
    "clear picture": Right.CLEAR_PICTURE,
    "set up": Right.SET_UP,
    "add an account": Right.ACCOUNTS,
    "change an account": Right.ACCOUNTS,
    "own password": Right.OWN_PASSWORD,
}


def test_every_action_asks_for_its_right_for_every_role(seed: Any, desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the functions behind the buttons do is what counts: a browser can press a button that is not drawn."""
    seed.run(density=surge)
    seed.run("live", density=surge, mode=Mode.LIVE, pictures=False)
    started: list[str] = []
    monkeypatch.setattr(controls, "start_replay", lambda run, *_: started.append(run.run_id))
    now_ns = time.time_ns()
    tokens = {role: desk.sign_in(role, GOOD, "this machine", now_ns)[0] for role in ROLES}

    def script(tokens: dict[str, str], kinds: list[str], store: object) -> None:
        import streamlit as st

        from crowdwatch.core.rights import Right
        from crowdwatch.core.runs import CommandKind
        from crowdwatch.errors import CrowdWatchError
        from crowdwatch.ui import account_page, audits, controls, sending, session

        state, found = st.session_state, {}
        for role, token in tokens.items():
            state[session.TOKEN] = token

            def faulty(key, do, *args, **more):
                state.pop(key, None)
                try:
                    do(*args, **more)
                except CrowdWatchError as error:
                    return str(error)
                return str(state.pop(key, ""))

            for kind in kinds:
                found[f"{role}|{kind}"] = faulty(
                    sending.FAULT, sending.send, store, "r1", CommandKind(kind), zone_id="front", alarm="crowding",
                    value=2.0, text="why", duration_s=60.0, subject="x",
                )  # fmt: skip
            found[f"{role}|stop a live run"] = faulty(sending.FAULT, sending.send, store, "live", CommandKind.STOP)
            held = audits._Held("r1", "mast", 1)
            state[f"count-people-{held.key}"] = 3
            found[f"{role}|hand count"] = faulty(audits.FAULT, audits._save, store, held, 0, "en")
            found[f"{role}|start a replay"] = faulty("start_fault", controls._launch, store.run("r1"), 8.0, "")
            who = session.bearer()
            found[f"{role}|download"] = faulty("x", who.require, Right.EXPORT, {"what": "journal"})
            found[f"{role}|clear picture"] = faulty("x", session.require, Right.CLEAR_PICTURE, camera="mast")
            found[f"{role}|set up"] = faulty("x", session.require, Right.SET_UP, what="limits")
            state["cw-add-name"], state["cw-add-role"], state["cw-add-password"] = (
                f"by {role}",
                "viewer",
                "x y z w u v t",
            )
            found[f"{role}|add an account"] = faulty(account_page.FAULT, account_page._add, "en")
            state["cw-pick"] = "nobody"
            found[f"{role}|change an account"] = faulty(account_page.FAULT, account_page._change, "disable", "en")
            state["cw-own-old"], state["cw-own-new"] = "wrong wrong wrong", "another long password"
            found[f"{role}|own password"] = faulty(account_page.FAULT, account_page._change_own)
        state["found"] = found

    kinds = [kind.value for kind in CommandKind if kind is not CommandKind.UNKNOWN]
    test = AppTest.from_function(script, args=(tokens, kinds, seed.store), default_timeout=120).run()
    assert not test.exception, test.exception
    found = test.session_state["found"]
    wrong = [
        (role, action, said)
        for role in ROLES
        for action, right in ACTIONS.items()
        if ("Your role may not" in (said := found[f"{role}|{action}"])) == at_least(role, LEAST[right])
    ]
    assert wrong == []
    assert len(found) == len(ROLES) * len(ACTIONS)
    assert not [said for said in found.values() if "sign-in" in said]
    assert started == ["r1"] * 3
    names = {each.name for each in desk.people.accounts()}
    assert names == {*ROLES, "by administrator"}
    queued = seed.store.pending("r1")
    assert {each.actor for each in queued if each.kind in ("set_level", "phase")} == {"commander", "administrator"}
    assert "viewer" not in {each.actor for each in queued}
    log = desk.people.entries()
    denied = [(entry.actor, json.loads(entry.detail)["right"]) for entry in log if entry.kind == "denied"]
    expected = sum(not at_least(role, LEAST[right]) for role in ROLES for right in ACTIONS.values())
    assert len(denied) == expected
    assert [entry.actor for entry in log if entry.kind == "clear_picture"] == ["commander", "administrator"]
    assert [entry.actor for entry in log if entry.kind == "export"] == ["operator", "commander", "administrator"]
    assert desk.people.fault() is None


def test_an_identity_provider_opens_the_door_or_not(
    seed: Any, desk: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    path = tmp_path / "rights.toml"
    path.write_text(
        '[oidc]\nissuer = "https://id.example.org"\nname = "name"\nclaim = "groups"\n[oidc.roles]\nguards = "viewer"\n'
    )
    monkeypatch.setenv(session.RIGHTS_VARIABLE, str(path))
    claims = {"iss": "https://id.example.org", "sub": "1", "name": HOSTILE, "groups": [], "iat": 1}
    monkeypatch.setattr(session, "claims", lambda: claims)
    seed.run(density=surge)
    test = opened()
    assert "You have no role here" in html(test)
    assert "Stage front" not in html(test)
    claims["groups"] = ["guards"]
    test = opened()
    page = html(test)
    assert "Stage front" in page
    assert "viewer" in page
    assert "<img src=x>" not in page
    test = press(test, "Sign out in all tabs")
    assert "Stage front" not in html(test)
    assert "Stage front" not in html(opened())  # the answer of the provider served once
    assert "ended" in html(opened())
    assert providers.load(path).roles == {"guards": "viewer"}


def test_a_demonstration_is_open_on_this_machine_alone_and_says_so(
    seed: Any, open_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed.run()
    assert "DEMONSTRATION: open without a sign-in, on this machine only" in open_page().html
    monkeypatch.setattr(session, "source", lambda: "10.0.0.9")
    page = open_page()
    assert "DEMONSTRATION" not in page.html
    assert "Stage front" not in page.html


def test_a_ticket_works_once() -> None:
    ticket = cookies.ticket_for("token", 60.0)
    assert cookies.waits(ticket)
    assert cookies.take_ticket(ticket) == ("token", 60.0)
    assert cookies.take_ticket(ticket) is None
    assert not cookies.waits(ticket)


def test_who_may_only_look_sees_grey_buttons_and_why(seed: Any, desk: Any) -> None:
    seed.run(density=surge)
    test = opened()
    sign_in(test, "viewer")
    assert not test.exception
    known = [each for each in test.button if (each.key or "").startswith("ack-")]
    assert known
    assert all(each.disabled for each in known)
    assert "this needs the role operator or above" in html(test)
