"""Alerts reach those who are told: once per target in the store, in order, at least once, or with a reason why not."""

import json
import random
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
from capvalidator.validate import Validator
from defusedxml.ElementTree import fromstring
from notices import CONTEXT, LIVE, T0, Receiver, S, alert, outcome, target

from crowdwatch.core.notices import Form, NotificationState, Quiet, TargetKind, alert_from_json, alert_to_json
from crowdwatch.core.outcomes import Level
from crowdwatch.core.ports import Outgoing
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.runs import Mode
from crowdwatch.errors import ConfigError, NotTold
from crowdwatch.notify import courier as couriers
from crowdwatch.notify import rules
from crowdwatch.notify.cap import NAMESPACE, cap_xml
from crowdwatch.notify.courier import CLAIM_S, Courier, wait_s
from crowdwatch.notify.forms import RADIO_MOST, body_of, json_of, radio_of, text_of
from crowdwatch.notify.rehearsal import MemoryOutgoing
from crowdwatch.notify.senders import SIGNATURE, FileSender, WebhookSender, signature_of
from crowdwatch.store.outgoing import SqlOutgoing
from crowdwatch.store.sql import SqlStore

NIGHT = [
    alert(0, "raised", Level.CAUTION),
    alert(10, "level_up", Level.ALERT),
    alert(20, "acknowledged", Level.ALERT),
    alert(30, "level_up", Level.CRITICAL),
    alert(90, "level_down", Level.CAUTION),
    alert(200, "cleared", Level.NORMAL),
]


class Clock:
    """A wall clock that a test moves."""

    def __init__(self):
        self.ns = T0

    def __call__(self):
        return self.ns

    def pass_s(self, seconds):
        self.ns += round(seconds * S)


class Recorder:
    """A way that fails as told and keeps what arrived."""

    def __init__(self, fails=lambda row: False):
        self.fails, self.arrived = fails, []

    def send(self, row):
        if self.fails(row):
            raise NotTold("duty: answered 500.")
        self.arrived.append(row)

    def close(self):
        pass


@pytest.fixture
def store(tmp_path):
    opened = SqlStore(f"sqlite:///{tmp_path}/store.sqlite")
    opened.begin(LIVE)
    yield opened
    opened.close()


@pytest.fixture(params=["sql", "memory"])
def outgoing(request, store, tmp_path):
    opened = SqlOutgoing(f"sqlite:///{tmp_path}/store.sqlite") if request.param == "sql" else MemoryOutgoing(store)
    assert isinstance(opened, Outgoing)
    yield opened
    opened.close()


def written(store, *alerts, run=LIVE):
    for each in alerts:
        store.write(run.run_id, [outcome(each)])


def delivered(courier, clock, run=LIVE, most=1000):
    """Deliver until nothing is open, moving the clock over every pause."""
    for _ in range(most):
        courier.take_in(run)
        if courier.deliver_one(run.run_id) is None:
            if not courier._outgoing.notifications(run.run_id, courier.target.target_id, open_only=True):
                return
            clock.pass_s(1)
    raise AssertionError("not delivered")


def test_alerts_arrive_once_and_in_order_however_often_a_way_fails(store, outgoing):
    chance, clock = random.Random(7), Clock()
    way = Recorder(lambda row: chance.random() < 0.7)
    one = Courier(target(acknowledged=True), way, outgoing, CONTEXT, clock)
    other = [alert(5, "raised", Level.CRITICAL, zone_id="quay"), alert(50, "cleared", Level.NORMAL, zone_id="quay")]
    for each in sorted([*NIGHT, *other], key=lambda each: each.t_ns):
        written(store, each)
        one.take_in(LIVE)
        one.deliver_one(LIVE.run_id)
    delivered(one, clock)
    assert len(way.arrived) == len(NIGHT) + 2
    for zone_id, sent in (("bund", NIGHT), ("quay", other)):
        assert [row.alert for row in way.arrived if row.zone_id == zone_id] == sent
    assert {row.first_id for row in way.arrived if row.zone_id == "bund"} == {"", NIGHT[0].event_id}


def test_a_failing_alarm_holds_up_itself_alone_and_waits_longer_and_longer(store, outgoing):
    clock, tried = Clock(), []

    def fails(row):
        if row.zone_id == "bund":
            tried.append(clock.ns)
        return row.zone_id == "bund"

    way = Recorder(fails)
    one = Courier(target(), way, outgoing, CONTEXT, clock)
    written(store, alert(0), alert(1, "level_up", Level.CRITICAL), alert(2, zone_id="quay"))
    for _ in range(300):
        one.take_in(LIVE)
        if one.deliver_one(LIVE.run_id) is None:
            clock.pass_s(1)
    assert [row.zone_id for row in way.arrived] == ["quay"]
    gaps = [(b - a) / S for a, b in pairwise(tried)]
    assert gaps[:7] == [1, 2, 4, 8, 16, 32, 60]
    first, second, _ = outgoing.notifications(LIVE.run_id, "duty")
    assert (first.state, first.why, second.attempts) == (NotificationState.WAITING, "duty: answered 500.", 0)


def test_a_kill_in_a_try_leaves_it_to_the_next_process_with_the_same_key(store, outgoing):
    clock, way = Clock(), Recorder()
    one = Courier(target(), way, outgoing, CONTEXT, clock)
    written(store, alert(0))
    one.take_in(LIVE)
    (row,) = outgoing.notifications(LIVE.run_id)
    assert outgoing.claim(row, clock() + round(CLAIM_S * S)) is not None
    assert outgoing.claim(row, clock() + round(CLAIM_S * S)) is None, "two processes must not have it at once"
    assert one.deliver_one(LIVE.run_id) is None
    clock.pass_s(CLAIM_S)
    done = one.deliver_one(LIVE.run_id)
    assert (done.state, done.attempts, done.key) == (NotificationState.SENT, 2, alert(0).event_id)


def test_a_wall_clock_that_goes_back_holds_nothing_up_for_long(store, outgoing):
    clock, fails = Clock(), [True, False]
    one = Courier(target(), Recorder(lambda row: fails.pop(0)), outgoing, CONTEXT, clock)
    written(store, alert(0))
    one.take_in(LIVE)
    one.deliver_one(LIVE.run_id)
    clock.pass_s(-3600)
    assert one.deliver_one(LIVE.run_id).state is NotificationState.SENT


def test_an_alert_that_a_resumed_engine_writes_late_is_not_passed_over(store, outgoing):
    """A cursor over event times would have gone on to 30 s."""
    clock, way = Clock(), Recorder()
    one = Courier(target(), way, outgoing, CONTEXT, clock)
    written(store, alert(0), alert(30, zone_id="quay"))
    delivered(one, clock)
    store.rewind(LIVE.run_id, T0 + 5 * S)
    written(store, alert(12, "raised", zone_id="pier"), alert(30, zone_id="quay"))
    delivered(one, clock)
    assert [row.zone_id for row in way.arrived] == ["bund", "quay", "pier"]


def test_a_full_outbox_leaves_alerts_where_they_are_and_says_so(store, outgoing, monkeypatch, caplog):
    monkeypatch.setattr(couriers, "MOST_OPEN", 5)
    clock, up = Clock(), []
    way = Recorder(lambda row: not up)
    one = Courier(target(), way, outgoing, CONTEXT, clock)
    written(store, *(alert(n, zone_id=f"z{n:02}") for n in range(12)))
    for _ in range(20):
        one.take_in(LIVE)
        one.deliver_one(LIVE.run_id)
    assert len(outgoing.notifications(LIVE.run_id)) == 5
    assert caplog.text.count("stay among the alerts") == 1
    up.append(1)
    delivered(one, clock)
    assert sorted(row.zone_id for row in way.arrived) == [f"z{n:02}" for n in range(12)]


def test_who_comes_late_hears_of_what_stands_and_not_of_what_is_long_over(store, outgoing):
    late = replace(LIVE, t_ns=T0 + 7200 * S)
    written(store, alert(0), alert(60, "cleared", Level.NORMAL), alert(100, zone_id="quay"))
    clock, way = Clock(), Recorder()
    delivered(Courier(target(), way, outgoing, CONTEXT, clock), clock, late)
    assert [row.zone_id for row in way.arrived] == ["quay"]
    assert [row.why for row in outgoing.notifications(LIVE.run_id)] == ["too_old", "too_old", ""]


RULES = [
    # target, transition, level, told, minute -> why not
    ({}, "raised", Level.CAUTION, False, 0, ""),
    ({}, "raised", Level.WATCH, False, 0, "below_level"),
    ({"level": Level.CRITICAL}, "level_up", Level.ALERT, True, 0, "below_level"),
    ({"level": Level.CRITICAL}, "level_down", Level.ALERT, True, 0, ""),
    ({"level": Level.CRITICAL}, "level_down", Level.ALERT, False, 0, "below_level"),
    ({}, "cleared", Level.NORMAL, True, 0, ""),
    ({}, "cleared", Level.NORMAL, False, 0, "never_told"),
    ({"cleared": False}, "cleared", Level.NORMAL, True, 0, "cleared"),
    ({}, "acknowledged", Level.ALERT, True, 0, "acknowledged"),
    ({"acknowledged": True}, "acknowledged", Level.ALERT, True, 0, ""),
    ({}, "shelved", Level.ALERT, True, 0, "acknowledged"),
    ({}, "realarmed", Level.ALERT, True, 0, ""),
    ({}, "closed", Level.NORMAL, True, 0, ""),
    ({"alarms": ("blindness",)}, "raised", Level.CRITICAL, False, 0, "other_alarm"),
    ({"quiet": (Quiet(1320, 360, Level.CRITICAL),)}, "raised", Level.ALERT, False, 1380, "quiet"),
    ({"quiet": (Quiet(1320, 360, Level.CRITICAL),)}, "raised", Level.CRITICAL, False, 1380, ""),
    ({"quiet": (Quiet(1320, 360, Level.CRITICAL),)}, "raised", Level.ALERT, False, 600, ""),
    ({"quiet": (Quiet(1320, 360, Level.CRITICAL),)}, "cleared", Level.NORMAL, True, 1380, ""),
]


@pytest.mark.parametrize(("more", "transition", "level", "told", "minute", "why"), RULES)
def test_who_is_told_of_what(more, transition, level, told, minute, why):
    assert rules.why_not(target(**more), alert(0, transition, level), told=told, minute=minute) == why


def test_what_is_passed_on_reaches_the_next_role_alone():
    reason = Reason.of(Code.ESCALATED, seconds=240.0, role="commander")
    passed = replace(alert(0, "escalated"), reasons=(reason,))
    cases = [
        ({"role": "commander", "level": Level.CRITICAL}, passed, False, 0, ""),
        ({"role": "operator"}, passed, True, 0, "other_role"),
        ({}, passed, True, 0, ""),
        ({"level": Level.CRITICAL}, passed, False, 0, "below_level"),
        ({"role": "commander", "alarms": ("blindness",)}, passed, False, 0, "other_alarm"),
        ({"role": "commander", "quiet": (Quiet(1320, 360, Level.CRITICAL),)}, passed, False, 1380, "quiet"),
        ({"role": "commander", "level": Level.CRITICAL}, alert(9, "realarmed"), True, 0, ""),
        ({"role": "commander", "level": Level.CRITICAL}, alert(9, "realarmed"), False, 0, "below_level"),
    ]
    for more, event, told, minute, why in cases:
        assert rules.why_not(target(**more), event, told=told, minute=minute) == why, (more, event.transition)


def test_a_shelved_alarm_tells_nobody_of_its_level_and_all_who_heard_of_its_end():
    aside = SimpleNamespace(value="shelved")
    for transition, level, why in (("level_up", Level.ALERT, rules.ASIDE), ("cleared", Level.NORMAL, "")):
        event = alert(0, transition, level)
        object.__setattr__(event, "to_state", aside)
        assert rules.why_not(target(), event, told=True, minute=0) == why


def test_what_is_suppressed_is_kept_with_its_reason_and_a_higher_level_is_told(store, outgoing):
    clock, way = Clock(), Recorder()
    one = Courier(target(level=Level.CRITICAL), way, outgoing, CONTEXT, clock)
    written(store, *NIGHT)
    delivered(one, clock)
    rows = outgoing.notifications(LIVE.run_id)
    assert [row.why for row in rows] == ["below_level", "below_level", "acknowledged", "", "", ""]
    assert [row.transition for row in way.arrived] == ["level_up", "level_down", "cleared"]
    assert [row.first_id for row in way.arrived] == ["", NIGHT[3].event_id, NIGHT[3].event_id]


def test_an_alert_event_comes_back_as_it_was():
    back = alert_from_json(alert_to_json(NIGHT[0]))
    assert back == NIGHT[0]
    nan = replace(NIGHT[0], value=float("nan"))
    assert repr(alert_from_json(alert_to_json(nan))) == repr(nan)


# ------------------------------------------------------------------------------------------------------------- forms


def rows_of(store, outgoing, run=LIVE, context=CONTEXT, **more):
    clock, way = Clock(), Recorder()
    store.begin(run)
    written(store, *NIGHT, run=run)
    delivered(Courier(target(**more), way, outgoing, context, clock), clock, run)
    return way.arrived


def caps(rows, context=CONTEXT, languages=("zh", "en")):
    texts = [cap_xml(row, context, languages) for row in rows]
    for text in texts:
        good, why = Validator(text.encode()).schema()
        assert good, why + text
    return [fromstring(text) for text in texts]


def found(root, path):
    return [each.text for each in root.findall("/".join(f"{{{NAMESPACE}}}{part}" for part in path.split("/")))]


def test_cap_messages_are_valid_and_refer_to_their_first(store, outgoing):
    roots = caps(rows_of(store, outgoing))
    assert [found(root, "msgType") for root in roots] == [["Alert"], ["Update"], ["Update"], ["Update"], ["Cancel"]]
    assert found(roots[0], "sent") == ["2026-01-01T00:00:00+08:00"]
    assert found(roots[0], "references") == []
    first = f"{found(roots[0], 'sender')[0]},{found(roots[0], 'identifier')[0]},{found(roots[0], 'sent')[0]}"
    assert [found(root, "references") for root in roots[1:]] == [[first]] * 4
    assert found(roots[2], "info/language") == ["zh-CN", "en-US"]
    assert found(roots[2], "info/severity") == ["Extreme", "Extreme"]
    assert found(roots[2], "info/headline") == ["危急 外滩3号: 人员密集", "CRITICAL Bund 3: crowding"]
    assert found(roots[2], "info/area/polygon")[0].split() == [
        "31.240000,121.480000", "31.240000,121.490000", "31.250000,121.490000", "31.240000,121.480000"
    ]  # fmt: skip
    assert found(roots[-1], "info/responseType") == ["AllClear"] * 2
    assert len({found(root, "identifier")[0] for root in roots}) == 5


def test_the_schema_refuses_what_it_should():
    bad = f'<alert xmlns="{NAMESPACE}"><identifier>a</identifier></alert>'
    assert not Validator(bad.encode()).schema()[0]


def test_utc_and_hostile_names_stay_valid(store, outgoing):
    hostile = "]]><x>&\x00\x1b[2J\ufffe, <script>"
    context = replace(CONTEXT, time_zone="UTC", zones={"bund": {"en": hostile, "zh": hostile}}, name={"en": hostile})
    rows = rows_of(store, outgoing)
    roots = caps(rows, context)
    assert found(roots[0], "sent") == ["2025-12-31T16:00:00-00:00"]
    for row in rows:
        for form in Form:
            text = body_of(row, context, target(form=form))[1]
            assert "\x1b" not in text
            assert "\x00" not in text


def test_an_exercise_is_marked_in_every_form_and_has_a_key_of_its_own(store, outgoing):
    rows = rows_of(store, outgoing, run=replace(LIVE, run_id="again", mode=Mode.REPLAY))
    assert all(row.exercise and row.key.startswith("exercise-") for row in rows)
    assert found(caps(rows)[1], "status") == ["Exercise"]
    for form in Form:
        text = body_of(rows[0], CONTEXT, target(form=form))[1]
        assert "EXERCISE" in text.upper()
    assert found(caps(rows)[1], "references")[0].split(",")[1].endswith(rows[0].key)


def test_texts_say_what_where_when_and_what_to_do(store, outgoing):
    context = replace(CONTEXT, do=lambda each: {"en": "Hold gate B.", "zh": "关闭B口。"})
    row = rows_of(store, outgoing)[2]
    assert radio_of(row, context, "en") == "CRITICAL, Bund 3, crowding, 4.6 p/m2, Hold gate B, 00:00"
    assert radio_of(row, context, "zh") == "危急，外滩3号，人员密集，4.6 人/m²，关闭B口，00:00"
    text = text_of(row, context, "en")
    assert "2026-01-01 00:00:30 (Asia/Shanghai)" in text
    assert "density 4.60 p/m2, limit 4 p/m2 for 10 s" in text
    assert row.key in text
    grouped = replace(context, zones_of_cause=lambda each: ("quay", "bund", "pier"))
    assert radio_of(row, grouped, "en").startswith("CRITICAL, Bund 3 and 2 more, ")
    assert "One cause, one alert: Bund 3, quay, pier." in text_of(row, grouped, "en")
    assert "外滩3号及另外2个区域" in text_of(row, grouped, "zh")
    assert json.loads(json_of(row, grouped))["same_cause_zone_ids"] == ["bund", "quay", "pier"]
    assert "One cause, one alert: Bund 3, quay, pier." in cap_xml(row, grouped, ("en",))
    long = replace(context, do=lambda each: {"en": "x" * 5000})
    assert len(radio_of(row, long, "en")) <= RADIO_MOST
    assert "\n" not in radio_of(row, replace(context, do=lambda each: {"en": "a\nb"}), "en")


# -------------------------------------------------------------------------------------------------------------- ways


def test_a_webhook_is_signed_and_its_key_is_the_same_at_every_try(store, outgoing, monkeypatch):
    monkeypatch.setenv("HOOK_KEY", "s3cret")
    chance, clock = random.Random(3), Clock()
    answers = {n: chance.choice([500, 503, -1, 302, 200]) for n in range(1, 200)}
    with Receiver(answers.__getitem__) as receiver:
        one = target(address=receiver.url, key="${HOOK_KEY}")
        written(store, *NIGHT)
        delivered(Courier(one, WebhookSender(one, CONTEXT), outgoing, CONTEXT, clock), clock)
        keys = receiver.keys()
        for (_, body), headers in zip(receiver.taken, receiver.headers, strict=True):
            at = int(headers[SIGNATURE].partition("t=")[2].partition(",")[0])
            assert headers[SIGNATURE] == signature_of(b"s3cret", at, body)
    told = [each.event_id for each in NIGHT if each.transition != "acknowledged"]
    assert list(dict.fromkeys(keys)) == told, "each at least once, in order"


def test_a_target_that_hangs_or_is_gone_is_said_without_its_secret(store, outgoing, monkeypatch):
    monkeypatch.setattr("crowdwatch.notify.senders.ANSWER_S", 0.1)
    clock = Clock()
    with Receiver(lambda n: 0 if n == 1 else 200) as receiver:
        one = target(address=receiver.url)
        written(store, alert(0))
        courier = Courier(one, WebhookSender(one, CONTEXT), outgoing, CONTEXT, clock)
        courier.take_in(LIVE)
        hung = courier.deliver_one(LIVE.run_id)
        assert (hung.state, "did not answer in time" in hung.why) == (NotificationState.WAITING, True)
        delivered(courier, clock)
        assert receiver.keys() == [alert(0).event_id]
    gone = target("gone", address=receiver.url)
    courier = Courier(gone, WebhookSender(gone, CONTEXT), outgoing, CONTEXT, clock)
    courier.take_in(LIVE)
    lost = courier.deliver_one(LIVE.run_id)
    assert "cannot be reached" in lost.why
    assert "SECRET" not in hung.why + lost.why


def test_a_file_is_written_whole_and_once(store, outgoing, tmp_path):
    one = target(kind=TargetKind.FILE, form=Form.CAP, address=str(tmp_path / "cap"))
    clock = Clock()
    written(store, alert(0))
    sender = FileSender(one, CONTEXT)
    delivered(Courier(one, sender, outgoing, CONTEXT, clock), clock)
    sender.send(outgoing.notifications(LIVE.run_id)[0])
    (path,) = (tmp_path / "cap").iterdir()
    assert path.name == f"20260101T000000-{alert(0).event_id}.xml"
    assert Validator(path.read_bytes()).schema()[0]


def test_secrets_come_from_the_environment_or_a_file_of_one_user(tmp_path):
    with pytest.raises(ConfigError, match="NOT_SET is not set"):
        WebhookSender(target(address="${NOT_SET}"), CONTEXT)
    path = tmp_path / "address"
    path.write_text("http://127.0.0.1:1/TOKEN\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="others may read it") as caught:
        WebhookSender(target(secret_file=str(path)), CONTEXT)
    assert "TOKEN" not in str(caught.value)
    path.chmod(0o600)
    WebhookSender(target(secret_file=str(path)), CONTEXT)
    assert "9/x" not in repr(target())


def test_the_pauses_grow_to_a_minute():
    assert max(wait_s(n) for n in range(1, 100)) == 60.0
