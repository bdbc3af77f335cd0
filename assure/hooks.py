"""What Schemathesis cannot know from the description of the API alone."""

import collections
import hashlib
import json
import re
import uuid
from datetime import datetime, timezone

import schemathesis

import accounts

SIGNED = ("action", "confidence", "entry_price", "signal_id", "stop_price", "strategy", "symbol", "target_price", "timestamp")


@schemathesis.serializer("application/x-ndjson")
def as_lines(ctx, value):
    """One JSON value a line."""
    items = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(item) for item in items).encode()


def signed(signal):
    """The signal with the hash of its content, if it has a hash that could be one."""
    if not isinstance(signal, dict) or not re.fullmatch("[0-9A-Fa-f]{64}", str(signal.get("sha256"))):
        return signal
    prices = {"confidence", "entry_price", "stop_price", "target_price"}
    content = {name: signal.get(name) for name in SIGNED}
    for name in prices:
        if isinstance(content[name], int) and not isinstance(content[name], bool):
            content[name] = float(content[name])
    text = json.dumps(content, sort_keys=True)
    return {**signal, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def plausible(signal):
    """Every other signal is of this minute and has neither target nor stop: these must suit its action and price."""
    if not isinstance(signal, dict) or len(str(signal.get("signal_id"))) % 2:
        return signal
    if not isinstance(signal.get("timestamp"), str) or not re.match(r"\d{4}-", signal["timestamp"]):
        return signal
    prices = {"target_price", "take_profit", "stop_price", "stop_loss"}
    rest = {name: value for name, value in signal.items() if name not in prices}
    return {**rest, "timestamp": datetime.now(timezone.utc).isoformat()}


def unguessed(account):
    """A password that is long enough is also one that nobody guesses."""
    password = account.get("password") if isinstance(account, dict) else None
    if isinstance(password, str) and 12 <= len(password) <= 128:
        return {**account, "password": hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()}
    return account


@schemathesis.hook
def map_body(ctx, body):
    """What no schema says: which hash belongs to which content, and what everybody guesses."""
    operation = ctx.operation.definition.raw.get("operationId")
    if operation == "sign_up":
        return unguessed(body)
    if operation == "submit_signal":
        return signed(plausible(body))
    if operation == "submit_batch":
        return [signed(line) for line in body] if isinstance(body, list) else signed(body)
    return body


# Of each operation so many of its good requests are asked by an account of the trial's own; the others are refused.
ASKED_FOR_REAL = 2
ASKED = collections.Counter()


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """What only a mail or an authenticator knows, and what would end the account that is tried."""
    operation = case.operation.definition.raw.get("operationId")
    is_positive = case.meta is not None and case.meta.generation.mode.is_positive
    if is_positive and "Idempotency-Key" in (case.headers or {}):
        # A key is one request's.
        case.headers = {**case.headers, "Idempotency-Key": str(uuid.uuid4())}
    by_id = accounts.OF_A_PRODUCER | accounts.OF_A_USER | accounts.OF_A_NOTIFICATION | accounts.OF_A_SIGNAL
    is_known = operation in accounts.BODIES or operation in by_id
    if not is_known or ASKED[operation] == ASKED_FOR_REAL:
        return
    if not is_positive:
        return
    credential = (case.headers or {}).get("Authorization", "")
    is_public = not case.operation.definition.raw.get("security")
    # Without a credential, or with one that is made up, it is the credential that is tried.
    if not is_public and credential.count(".") != 2:
        return
    if operation in accounts.OF_A_SIGNAL:
        signal = accounts.newest_signal(credential)
        if signal is not None:
            ASKED[operation] += 1
            case.path_parameters = {**case.path_parameters, "id": signal}
        return
    if operation in accounts.OF_A_PRODUCER:
        producer = accounts.new_producer(credential)
        if producer is not None:
            ASKED[operation] += 1
            case.path_parameters = {**case.path_parameters, "id": producer}
        return
    ASKED[operation] += 1
    account = accounts.Account()
    if operation in accounts.OF_A_USER:
        case.path_parameters = {**case.path_parameters, "id": account.id}
        return
    if operation in accounts.OF_A_NOTIFICATION:
        case.path_parameters = {**case.path_parameters, "id": account.told()}
    else:
        body = accounts.BODIES[operation](account)
        # What takes no body gets none.
        case.body = case.body if body is None else body
    if not is_public and operation not in accounts.AS_THE_CALLER:
        case.headers = {**case.headers, "Authorization": f"Bearer {account.token}"}
