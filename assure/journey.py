"""A subscriber's way from signing up to the end of what was paid for, by the client that openapi-python-client makes of
the description. Where payments are played, so that a period ends when the payer says so.

    journey.py OPENAPI_JSON FOLDER_OF_THE_CLIENT
"""

import compileall
import datetime
import hashlib
import importlib
import json
import os
import pathlib
import sys
import time

import httpx

DESCRIPTION, FOLDER = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
BASE, PRODUCER_KEY = os.environ["ALPINE_BASE"], os.environ["ALPINE_PRODUCER_KEY"]
PASSWORD = "four old boats on a beach"
METHODS = ("get", "put", "post", "patch", "delete")

sys.path.insert(0, str(FOLDER.parent))
client = importlib.import_module(FOLDER.name)


def model(name):
    return getattr(importlib.import_module(f"{FOLDER.name}.models"), name)


def everything_is_there():
    """The module of each operation of the description, by its id, all of which compile."""
    assert compileall.compile_dir(FOLDER, quiet=1, force=True), "it does not compile"
    paths = json.loads(DESCRIPTION.read_text())["paths"]
    described = {
        path[method]["operationId"]: path[method]["tags"][0] for path in paths.values() for method in METHODS if method in path
    }
    made = {}
    for file in FOLDER.glob("api/*/*.py"):
        if file.stem != "__init__":
            name = ".".join([FOLDER.name, "api", file.parent.name, file.stem])
            made[file.stem] = importlib.import_module(name)
    missing = sorted(set(described) - set(made))
    assert not missing, f"operations that were left out: {missing}"
    return made


class Caller:
    """Somebody who calls operations by their ids."""

    def __init__(self, operations, http):
        self.operations, self.http = operations, http

    def ask(self, operation, *path, expected=200, **arguments):
        """The answer as its type; any status that the description does not name is an error."""
        answer = self.operations[operation].sync_detailed(*path, client=self.http, **arguments)
        assert answer.status_code == expected, f"{operation}: {answer.status_code} {answer.content[:500]}"
        assert answer.parsed is not None, f"{operation}: {answer.status_code} is not described"
        return answer.parsed

    def sees(self):
        """The producer's ids of the signals in the own list cannot be told, so their numbers."""
        return {signal.id for signal in self.ask("subscribed_signals", limit=100).items}

    def comes_to(self, tier):
        """A tier follows the page of the payments at once; five seconds for a busy machine."""
        until = time.monotonic() + 5
        while (plan := self.ask("own_plan")).tier.value != tier:
            assert time.monotonic() < until, f"{plan.tier} and not {tier}"
            time.sleep(0.05)
        return plan


def signal(name, confidence):
    """A signal with its hash, as a producer makes it."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    hashed = {
        "action": "BUY", "confidence": confidence, "entry_price": 175.5, "signal_id": name, "stop_price": None,
        "strategy": "journey", "symbol": "AAPL", "target_price": None, "timestamp": now.isoformat(),
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()
    return model("SignalSubmission").from_dict({**hashed, "sha256": digest})


def play(checkout, step):
    """What the payer does on the page of the payments, which is no part of the API. The instance took a free port, which
    the page's address does not tell."""
    page = checkout.split("/api/v1/")[1]
    answer = httpx.post(f"{BASE}/api/v1/{page}/{step}", timeout=15)
    assert answer.status_code == 303, f"{step}: {answer.status_code} {answer.text[:500]}"


def journey(operations):
    anybody = Caller(operations, client.Client(base_url=BASE, raise_on_unexpected_status=True))
    by_key = {"prefix": "", "auth_header_name": "X-API-Key", "raise_on_unexpected_status": True}
    producer = Caller(operations, client.AuthenticatedClient(base_url=BASE, token=PRODUCER_KEY, **by_key))
    email = f"journey-{time.time_ns()}@example.com"
    registration = model("SignUpRequest")(email=email, password=PASSWORD, full_name="Ada")
    signed_up = anybody.ask("sign_up", body=registration, expected=201)
    http = client.AuthenticatedClient(base_url=BASE, token=signed_up.access_token, raise_on_unexpected_status=True)
    ada = Caller(operations, http)

    run = time.time_ns()
    premium = producer.ask("submit_signal", body=signal(f"JOURNEY-1-{run}", 90.5), expected=201)
    number = str(premium.alpine_signal_id)
    assert ada.ask("own_plan").tier.value == "free"
    assert number not in ada.sees(), "a premium signal is shown to who pays nothing"
    ada.ask("find_signal", number, expected=404)

    prices = {plan.tier.value: plan for plan in anybody.ask("plans").items}
    wish = model("UpgradeRequest")(tier=model("Tier").PRO, interval=model("BillingInterval").MONTH)
    checkout = ada.ask("upgrade", body=wish).checkout_url
    assert ada.ask("own_plan").tier.value == "free", "nothing is paid yet"
    play(checkout, "pay")
    plan = ada.comes_to("pro")
    assert plan.is_active and plan.price == prices["pro"].price, plan
    assert number in ada.sees(), "who pays does not see it"
    assert ada.ask("find_signal", number).confidence == 90.5
    assert len(ada.ask("list_invoices").items) == 1

    another = producer.ask("submit_signal", body=signal(f"JOURNEY-2-{run}", 91.5), expected=201)
    assert str(another.alpine_signal_id) in ada.sees()
    page = ada.ask("unread_notifications", limit=100)
    kinds = {told.type_.value for told in page.items}
    assert {"tier_changed", "new_signal"} <= kinds, f"only {kinds} are told"
    ids = [told.id for told in page.items]
    marked = ada.ask("read_notifications", body=model("ReadRequest")(notification_ids=ids))
    assert marked.count == len(ids) and ada.ask("unread_notifications").unread_count == 0

    assert ada.ask("cancel_subscription").cancel_at_period_end
    assert ada.ask("own_plan").tier.value == "pro" and number in ada.sees(), "what is paid for ends too early"
    play(checkout, "end_period")
    assert not ada.comes_to("free").is_active
    assert number not in ada.sees(), "what nobody pays for any more is shown"
    ada.ask("find_signal", number, expected=404)
    late = producer.ask("submit_signal", body=signal(f"JOURNEY-3-{run}", 92.5), expected=201)
    assert str(late.alpine_signal_id) not in ada.sees()
    assert [told.type_.value for told in ada.ask("unread_notifications").items] == ["tier_changed"]


OPERATIONS = everything_is_there()
journey(OPERATIONS)
print(f"{len(OPERATIONS)} operations are there, and the whole journey was made")
