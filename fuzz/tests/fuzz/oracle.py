# What a producer in Python hashes: see oracle.rs. Text is UTF-8 in JSON, whatever the locale.
import json, struct, sys

KEYS = ["action", "confidence", "entry_price", "signal_id", "stop_price", "strategy", "symbol", "target_price", "timestamp"]
NUMBERS = {"confidence", "entry_price", "stop_price", "target_price"}
ALIASES = {"target_price": "take_profit", "stop_price": "stop_loss"}


def dumps(values):
    return json.dumps(values, sort_keys=True)


def forms(body):
    body = json.loads(body.decode("utf-8-sig"))
    plain = {key: body.get(key) for key in KEYS}
    for key, alias in ALIASES.items():
        if plain[key] is None:
            plain[key] = body.get(alias)
    full = {key: float(value) if key in NUMBERS and value is not None else value for key, value in plain.items()}
    old = {key: value for key, value in plain.items() if value is not None}
    # In the order of HashForm::ALL.
    return [dumps(full), dumps(old), dumps(plain)]


for line in sys.stdin:
    if line[0] == "d":
        bits = bytes.fromhex(line[1:])
        print(*map(repr, struct.unpack(f">{len(bits) // 8}d", bits)), flush=True)
    else:
        print(*forms(bytes.fromhex(line)), sep="\n", flush=True)
