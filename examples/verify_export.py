#!/usr/bin/env python3
"""Hashes an export of Alpine again, as docs/record.md says, and adds up the figures of an answer of performance/stats:
verify_export.py FILE [ANSWER]. Ends with 1 if anything differs."""
import csv, hashlib, json, sys
from decimal import Decimal, getcontext

TEXTS = "symbol timestamp signal_id strategy asset_type reasoning exit_timestamp late_exit_timestamp".split()
LATE = {"status": "late_status", "exit_price": "late_exit_price", "pnl_pct": "late_pnl_pct",
        "exit_time": "late_closed_at", "received_at": "late_received_at"}

def once(pairs):
    """An object, of which no name stands there twice."""
    if len(dict(pairs)) != len(pairs):
        sys.exit("a member stands there twice")
    return dict(pairs)

def rows(path):
    """Each row as the letters of its columns; what is missing or empty is None."""
    with open(path, encoding="utf-8", newline="") as file:
        start = file.read(1)
        file.seek(0)
        if start in "[{":  # parse_float and parse_int keep a number's own digits
            read = lambda text: json.loads(text, parse_float=str, parse_int=str, object_pairs_hook=once)
            for row in read(file.read()) if start == "[" else map(read, file):
                for inner, name in LATE.items():
                    row[name] = (row.get("late_outcome") or {}).get(inner)
                yield {name: value or None for name, value in row.items()}
            return
        table = csv.DictReader(file, strict=True)
        if len(set(table.fieldnames)) != len(table.fieldnames):
            sys.exit("a column stands there twice")
        for row in table:
            for name in TEXTS:
                row[name] = row[name].removeprefix("'")  # keeps spreadsheets from taking it for a formula
            yield {name: value or None for name, value in row.items()} | {"simulated": row["simulated"] == "true"}

def sha256(members):
    return hashlib.sha256(json.dumps(members, sort_keys=True).encode("ascii")).hexdigest()

def producers_hashes(row):
    """The three forms: numbers as floats; without what is missing, integers kept; integers kept."""
    names = {"stop_price": "stop_loss", "target_price": "take_profit"}
    keys = "action confidence entry_price signal_id stop_price strategy symbol target_price timestamp".split()
    numbers = ("confidence", "entry_price", "stop_price", "target_price")
    held = {key: row[names.get(key, key)] for key in keys}
    full = {key: float(value) if value and key in numbers else value for key, value in held.items()}
    plain = {key: json.loads(value) if value and key in numbers else value for key, value in held.items()}
    return {sha256(full), sha256(plain), sha256({key: value for key, value in plain.items() if value is not None})}

def result(row, exit_price):
    entry, exit_price = Decimal(row["entry_price"]), Decimal(exit_price)
    gain = exit_price - entry if row["action"] == "BUY" else entry - exit_price
    return (gain * 100 / entry).quantize(Decimal("1e-8"))

def differences(row):
    if row["hash"] not in producers_hashes(row):
        yield "hash"
    names = {"stop_price": "stop_loss", "target_price": "take_profit"}
    keys = ("action asset_type confidence entry_price hash id producer reasoning received_at signal_id stop_price "
            "strategy symbol target_price timestamp").split()
    record = {key: row[names.get(key, key)] for key in keys}
    if row["record_hash"] != sha256(record | {"simulated": bool(row.get("simulated")), "v": "alpine-signal-1"}):
        yield "record_hash"
    for late, received in (("", "outcome_received_at"), ("late_", "late_received_at")):
        outcome = {key: row[late + key] for key in ("closed_at", "exit_price", "exit_timestamp", "pnl_pct", "status")}
        stated = row[late + "outcome_hash"]
        outcome |= {"received_at": row[received], "late": bool(late), "signal": row["record_hash"], "v": "alpine-outcome-1"}
        if outcome["status"] in (None, "open") and not stated and not outcome["closed_at"]:
            continue
        if stated != sha256(outcome):
            yield late + "outcome_hash"
        if outcome["exit_price"] and Decimal(outcome["pnl_pct"] or "NaN") != result(row, outcome["exit_price"]):
            yield late + "pnl_pct"

def wrong_figures(table, told):
    """Each figure that is a mere count or sum, of an answer without late outcomes."""
    asked, period = told["asked"], told["period"]
    ended = [row for row in table if row["outcome_hash"]
             and all(asked[name] in (None, row[name]) for name in ("symbol", "strategy", "producer"))
             and (period["from"] or "") <= row["outcome_received_at"][:10] <= (period["to"] or "9999")]
    of_record = lambda name: [row for row in ended if asked["record"] in ("all", row[name])]
    results = [Decimal(row["pnl_pct"]) for row in of_record("outcome_origin") if row["pnl_pct"]]
    expired = sum(not row["pnl_pct"] for row in of_record("origin"))
    backdated = sum(row["outcome_origin"] != row["origin"] for row in of_record("origin")) if asked["record"] != "all" else 0
    trades, wins = len(results), sum(pnl > 0 for pnl in results)
    due = trades + expired + backdated + (told["overdue"] or 0)
    counted = {"total_trades": trades, "winning_trades": wins, "expired": expired, "backdated": backdated, "due": due,
               "win_rate": 100 * wins / trades if trades else 0, "win_rate_lower": 100 * wins / due if due else 0,
               "coverage": 100 * trades / due if due else None, "cumulative_pct": float(sum(results))}
    return [f"{name} says {told[name]}, and the file gives {value}" for name, value in counted.items() if told[name] != value]

getcontext().prec = 200
count, bad, table = 0, 0, []
for row in rows(sys.argv[1]):
    count += 1
    table.append(row)
    if wrong := list(differences(row)):
        bad += 1
        print(f"row {count} ({row['id']}, {row['signal_id']}): {', '.join(wrong)}")
print(f"{count} rows, {bad} of them differ")
if len(sys.argv) > 2:
    with open(sys.argv[2], encoding="utf-8") as file:
        wrong = wrong_figures(table, json.load(file))
    print(*wrong, f"9 figures, {len(wrong)} of them differ", sep="\n")
    bad += len(wrong)
sys.exit(1 if bad else 0)
