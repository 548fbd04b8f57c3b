"""Accounts, sign-ins, the first start, identity providers and the chain of the audit log."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import argon2
import pytest
from typer.testing import CliRunner

from crowdwatch.accounts import passwords, providers
from crowdwatch.accounts.desk import Desk
from crowdwatch.commands.cli import app
from crowdwatch.core.accounts import FIRST, By, Entry, content_of, digest_of, first_fault
from crowdwatch.core.rights import LEAST, ROLES, Right, may
from crowdwatch.errors import ConfigError, SignInRefused
from crowdwatch.store.people import MOST_DELAY_S, SqlPeople

NS = 1_000_000_000
NOW = 1_800_000_000 * NS
BY = By("root", "", "terminal")
GOOD = "four plain words here"


@pytest.fixture(scope="module", autouse=True)
def cheap() -> Iterator[None]:
    """Argon2 of the least cost: what is tested is who gets in."""
    before = passwords._hasher
    passwords._nobody.cache_clear()
    passwords._hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    yield
    passwords._hasher = before
    passwords._nobody.cache_clear()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    people = SqlPeople(f"sqlite:///{tmp_path / 'crowdwatch.sqlite'}", create=True)
    yield Desk(people)
    people.close()


def test_passwords_are_kept_as_argon2id_of_the_parameters_of_rfc_9106() -> None:
    found = argon2.extract_parameters(argon2.PasswordHasher().hash("x"))
    assert (found.type, found.memory_cost, found.time_cost) == (argon2.Type.ID, 65536, 3)


def test_a_sign_in_ends_in_every_tab_whatever_ends_it(desk: Desk) -> None:
    desk.add("Ana", "operator", GOOD, BY, NOW)
    desk.add("Max", "administrator", GOOD, BY, NOW)

    def tabs() -> list[str]:
        return [desk.sign_in("ana", GOOD, "10.0.0.7", NOW)[0] for _ in range(2)]

    def standing(tokens: list[str], now_ns: int = NOW) -> int:
        return sum(desk.known(token, now_ns) is not None for token in tokens)

    tokens = tabs()
    assert standing(tokens) == 2
    assert standing([*tokens, "", "guess"]) == 2
    assert standing(tokens, NOW + 12 * 3600 * NS) == 0  # the shift is over
    one = desk.known(tokens[0], NOW)
    assert one is not None
    desk.sign_out(one, "10.0.0.7", NOW)
    assert [standing([token]) for token in tokens] == [0, 1]  # the token that all tabs of one browser share
    for end in (
        lambda: desk.set_role("ANA", "viewer", BY, NOW),
        lambda: desk.set_password("Ana", GOOD + "!", BY, NOW),
        lambda: desk.set_disabled("Ana", True, BY, NOW),
    ):
        tokens = tabs()
        end()
        assert standing(tokens) == 0
        desk.set_password("Ana", GOOD, BY, NOW)
    with pytest.raises(SignInRefused, match="wrong, or the account is disabled"):
        desk.sign_in("Ana", GOOD, "10.0.0.7", NOW)
    with pytest.raises(ConfigError, match="last administrator"):
        desk.set_role("Max", "viewer", BY, NOW)
    with pytest.raises(ConfigError, match="already"):
        desk.add("ＡＮＡ", "viewer", GOOD, BY, NOW)
    token, sign_in = desk.sign_in("Max", GOOD, "10.0.0.7", NOW)
    with pytest.raises(SignInRefused, match="present one is wrong"):
        desk.change_own(sign_in, "not this one at all", GOOD + "!", "10.0.0.7", NOW)
    desk.change_own(sign_in, GOOD, GOOD + "!", "10.0.0.7", NOW)
    assert desk.known(token, NOW) is None
    assert desk.people.fault() is None
    log = json.dumps([entry.detail for entry in desk.people.entries()])
    assert GOOD not in log
    assert "argon2" not in log


def test_failures_cost_time_that_grows_is_bounded_and_outlives_a_restart(desk: Desk, tmp_path: Path) -> None:
    desk.add("Ana", "operator", GOOD, BY, NOW)
    now_ns, waits = NOW, []
    again = Desk(SqlPeople(f"sqlite:///{tmp_path / 'crowdwatch.sqlite'}"))
    for number in range(14):
        with pytest.raises(SignInRefused):
            (desk, again)[number % 2].sign_in("ana", "wrong wrong wrong", f"10.0.0.{number}", now_ns)
        wait_s = desk.people.attempt({"account:ana": 5}, now_ns)
        waits.append(wait_s)
        if wait_s == 0:
            desk.people.forgive(["account:ana"], [])
        now_ns += round(wait_s * NS)
    assert waits == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, MOST_DELAY_S, MOST_DELAY_S, MOST_DELAY_S]
    later = now_ns - NS
    with pytest.raises(SignInRefused, match="too many attempts"):
        again.sign_in("Ana", GOOD, "10.0.1.1", later)  # the right one too, within the wait
    assert again.sign_in("Ana", GOOD, "10.0.1.1", now_ns)[1].name == "Ana"
    assert again.sign_in("Ana", GOOD, "10.0.1.1", now_ns)[1].name == "Ana"
    kinds = [entry.kind for entry in desk.people.entries()]
    assert kinds.count("sign_in_refused") == 14  # one that has to wait is not judged, and fills no log
    again.people.close()


def test_one_address_that_tries_many_names_is_held_up_too_and_unknown_names_do_the_same_work(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: list[str] = []
    true = passwords._hasher.verify
    monkeypatch.setattr(
        passwords,
        "_hasher",
        type("H", (), {"verify": lambda _, h, p: work.append(h) or true(h, p), "hash": passwords._hasher.hash})(),
    )
    desk.add("Ana", "operator", GOOD, BY, NOW)
    for number in range(21):
        with pytest.raises(SignInRefused, match="wrong"):
            desk.sign_in(f"my secret {number}", GOOD, "10.0.0.7", NOW)
    assert len(work) == 21
    with pytest.raises(SignInRefused, match="too many"):
        desk.sign_in("Ana", GOOD, "10.0.0.7", NOW)
    desk.sign_in("Ana", GOOD, "10.0.0.8", NOW)
    assert "my secret" not in repr(desk.people.entries())  # what is typed as a name may be a password


def test_the_code_of_a_first_start_makes_one_administrator_once(desk: Desk) -> None:
    old, code = desk.first_code(NOW), desk.first_code(NOW)
    assert old is not None
    assert code is not None
    for wrong, now_ns in ((old, NOW), ("", NOW), (code, NOW + 1801 * NS)):
        with pytest.raises(SignInRefused, match="code is wrong"):
            desk.first_account(wrong, "Ana", GOOD, "this machine", now_ns)
    with pytest.raises(ConfigError, match="12 to 200"):
        desk.first_account(code, "Ana", "short", "this machine", NOW)
    token, sign_in = desk.first_account(code.lower().replace("-", " "), "Ana", GOOD, "this machine", NOW)
    assert (sign_in.role, desk.known(token, NOW)) == ("administrator", sign_in)
    with pytest.raises(SignInRefused, match="code is wrong"):
        desk.first_account(code, "Eve", GOOD, "this machine", NOW)
    assert desk.first_code(NOW) is None


SETTINGS = """
[oidc]
issuer = "https://id.example.org"
name = "preferred_username"
claim = "groups"
[oidc.roles]
"guards" = "viewer"
"chiefs" = "commander"
"""
CLAIMS: dict[str, Any] = {
    "iss": "https://id.example.org", "sub": "42", "preferred_username": "ana", "groups": ["guards", "chiefs", "x"],
    "iat": 5,
}  # fmt: skip


def test_an_identity_provider_gives_a_role_or_nothing(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "rights.toml"
    path.write_text(SETTINGS)
    found = providers.load(path)
    name, role, proof = found.read(CLAIMS)
    assert (name, role) == ("ana", "commander")
    for change, why in (
        ({"groups": ["x"]}, "no role"), ({"groups": None}, "no role"), ({"groups": [{"a": 1}]}, "no role"),
        ({"iss": "https://evil.example"}, "issuer"), ({"sub": ""}, "subject"), ({"preferred_username": 5}, "claim"),
    ):  # fmt: skip
        with pytest.raises(SignInRefused, match=why):
            found.read(CLAIMS | change)
    with pytest.raises(SignInRefused, match="another program"):
        replace(found, audience="crowdwatch").read(CLAIMS | {"aud": ["other"]})
    with pytest.raises(SignInRefused, match="not confirmed"):
        replace(found, name="email").read(CLAIMS | {"email": "a@b.c"})
    token, sign_in = desk.admit(name, role, proof, "10.0.0.7", NOW)
    assert desk.known(token, NOW) == sign_in
    desk.sign_out(sign_in, "10.0.0.7", NOW)
    with pytest.raises(SignInRefused, match="was ended"):  # the same answer does not open the door again
        desk.admit(name, role, proof, "10.0.0.7", NOW)
    desk.admit(name, role, found.read(CLAIMS | {"iat": 6})[2], "10.0.0.7", NOW)
    path.write_text('x = 1\n[oidc]\nissuer = "http://far.example"\nname = 3\nrolls = 1\n[oidc.roles]\na = "king"\n')
    with pytest.raises(ConfigError) as caught:
        providers.load(path)
    for fault in ("'x'", "issuer", "name", "claim", "rolls", "king"):
        assert fault in str(caught.value)
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text('[auth]\ncookie_secret = "hunter2"\nclient_id = "c"\n')
    faults = "\n".join(providers.secrets_faults([tmp_path], ["default", "okta"]))
    for part in ("redirect_uri", "shorter than 32", "client_secret", "[auth.okta]"):
        assert part in faults
    assert "hunter2" not in faults


def _log(length: int) -> list[Entry]:
    made, previous = [], FIRST
    for seq in range(1, length + 1):
        entry = Entry(seq, seq, "export", "ana", "operator", "here", "{}", previous, "")
        made.append(replace(entry, digest=digest_of(entry)))
        previous = made[-1].digest
    return made


def test_verify_names_the_first_entry_that_was_changed_removed_added_or_moved() -> None:
    import hashlib

    log = _log(6)
    assert first_fault(log) is None
    assert log[0].digest == hashlib.sha256(f"{'0' * 64}\n{content_of(log[0])}".encode()).hexdigest()
    for name, value in (
        ("actor", "eve"),
        ("wall_ns", 9),
        ("detail", "[]"),
        ("kind", "note"),
        ("source", "x"),
        ("role", ""),
    ):
        changed = [*log[:2], replace(log[2], **{name: value}), *log[3:]]
        found = first_fault(changed)
        assert found is not None
        assert found.seq == 3
        again = replace(changed[2], digest=digest_of(changed[2]))  # the digest made anew: the next one tells
        found = first_fault([*log[:2], again, *log[3:]])
        assert found is not None
        assert found.seq == 4
    swapped = [*log[:2], replace(log[3], seq=3), replace(log[2], seq=4), *log[4:]]
    for bad, seq in (([*log[:2], *log[3:]], 3), ([*log[:2], log[2], log[2], *log[3:]], 4), (swapped, 3), (log[1:], 1)):
        found = first_fault(bad)
        assert found is not None
        assert found.seq == seq
    noted = (6, log[5].digest)
    assert first_fault(log, noted) is None
    cut = first_fault(log[:4], noted)
    assert cut is not None
    assert (cut.seq, "cut off" in cut.why) == (5, True)
    anew = first_fault(log, (6, "0" * 64))
    assert anew is not None
    assert anew.seq == 6


def test_every_right_has_a_least_role_and_roles_are_a_ladder() -> None:
    assert set(LEAST) == set(Right)
    for right in Right:
        held = [may(role, right) for role in ROLES]
        assert held == sorted(held)
        assert held[-1]
        assert not may("", right)
        assert not may("king", right)


def test_the_command_line_makes_accounts_and_reads_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROWDWATCH_STORE", raising=False)
    runs, secret, cli = str(tmp_path), tmp_path / "password", CliRunner()

    def run(*words: str, given: str | None = None) -> Any:
        return cli.invoke(app, [*words, "--runs", runs], input=given)

    secret.write_text(GOOD + "\n")
    secret.chmod(0o644)
    open_file = run("accounts", "add", "Ana", "--role", "administrator", "--password-file", str(secret))
    assert "chmod 600" in str(open_file.exception)
    secret.chmod(0o600)
    assert run("accounts", "add", "Ana", "--role", "administrator", "--password-file", str(secret)).exit_code == 0
    assert run("accounts", "add", "Bo", "--password-file", "-", given=GOOD + "\n").exit_code == 0
    assert "no terminal" in str(run("accounts", "add", "Cy").exception)
    assert "no such option" in run("accounts", "add", "Cy", "--password", "x").output.lower()
    assert run("accounts", "set-role", "bo", "--role", "viewer").exit_code == 0
    assert run("accounts", "disable", "Bo").exit_code == 0
    listed = json.loads(run("accounts", "list", "--json").output)
    assert [(each["name"], each["role"], each["disabled"]) for each in listed] == [
        ("Ana", "administrator", False), ("Bo", "viewer", True)
    ]  # fmt: skip
    rows = json.loads(run("audit-log", "list", "--json").output)
    assert [row["detail"]["change"] for row in rows] == ["added", "added", "changed", "changed"]
    assert len(io.StringIO(run("audit-log", "list", "--csv", "--last", "2").output).readlines()) == 3
    whole = json.loads(run("audit-log", "verify", "--json").output)
    assert whole["whole"]
    assert run("audit-log", "verify", "--expect", whole["checkpoint"]).exit_code == 0
    seq, _, digest = whole["checkpoint"].partition(":")
    assert run("audit-log", "verify", "--expect", f"{int(seq) + 1}:{digest}").exit_code == 3
    assert time.time_ns() > rows[0].get("wall_ns", 0)


def test_a_demonstration_is_not_served_to_others(tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["ui", "--demo", "--address", "0.0.0.0", "--runs", str(tmp_path)])
    assert "127.0.0.1 alone" in str(refused.exception)
