"""Computes the figures of the record from an export, by pandas and quantstats, and compares them with an answer of performance/stats.

figures.py EXPORT.csv ANSWER.json: the live record without late outcomes, of all time. Ends with 1 if a figure differs by more
than 1e-9 of itself. What is defined otherwise than in quantstats is computed by its own definition in docs/record.md: a result of
zero is no win and breaks no losing streak, and the drawdown adds results where quantstats compounds them.
"""
import json
import sys

import numpy
import pandas
import quantstats.stats as stats

table = pandas.read_csv(sys.argv[1], dtype=str, keep_default_na=False)
told = json.load(open(sys.argv[2], encoding="utf-8"))
record = told["asked"]["record"]
ended = table[(table.pnl_pct != "") & ((record == "all") | (table.outcome_origin == record))]
# Order of receipt; of one instant the older signal first, which stands later in the file.
ended = ended.iloc[::-1].assign(received=lambda rows: pandas.to_datetime(rows.outcome_received_at, format="ISO8601"))
ended = ended.sort_values("received", kind="stable")
results = ended.pnl_pct.astype(float)
received = ended.received.dt.tz_localize(None)

days = pandas.Series(results.to_numpy() / 100, index=received.dt.floor("D")).groupby(level=0).sum()
days = days.reindex(pandas.date_range(days.index[0], days.index[-1], freq="D"), fill_value=0.0)
months = pandas.Series(results.to_numpy(), index=received.dt.to_period("M")).groupby(level=0).sum()
wins, losses = results[results > 0], results[results < 0]
curve = numpy.concatenate([[0.0], results.cumsum()])
fall = (curve - numpy.maximum.accumulate(curve)).min()
held = pandas.to_datetime(ended.closed_at, format="ISO8601") - pandas.to_datetime(ended.timestamp, format="ISO8601", utc=True)


def longest(counts):
    return max((len(run) for run in "".join("x" if one else " " for one in counts).split()), default=0)


def ours(name, quantstats, *arguments, **options):
    """A figure whose definition quantstats shares, of single results as fractions."""
    return name, quantstats(results.reset_index(drop=True) / 100, *arguments, **options)


computed = dict([
    ("total_trades", len(results)),
    ("winning_trades", len(wins)),
    ("win_rate", 100 * len(wins) / len(results)),
    ("cumulative_pct", results.sum()),
    ("mean_return_pct", results.mean()),
    ours("profit_factor", stats.profit_factor, prepare_returns=False),
    ("largest_win_pct", 100 * stats.best(results / 100, prepare_returns=False)),
    ("largest_loss_pct", 100 * stats.worst(results / 100, prepare_returns=False)),
    ("avg_win_pct", 100 * stats.avg_win(results / 100, prepare_returns=False)),
    ("sharpe_ratio", stats.sharpe(days, periods=365)),
    ("sortino_ratio", stats.sortino(days, periods=365)),
    ("longest_winning_streak", longest(results > 0)),
    ("longest_losing_streak", longest(results <= 0)),
    ("average_holding_seconds", held.dt.total_seconds().mean()),
    ("max_drawdown", fall),
    ("best_month", months.max()),
    ("worst_month", months.min()),
])
if (results == 0).sum() == 0:
    computed["avg_loss_pct"] = 100 * stats.avg_loss(results / 100, prepare_returns=False)
    computed["payoff_ratio"] = stats.payoff_ratio(results / 100, prepare_returns=False)
said = told | {
    "max_drawdown": (told["max_drawdown"] or {"depth_pct": 0})["depth_pct"],
    "best_month": told["best_month"]["sum_pct"],
    "worst_month": told["worst_month"]["sum_pct"],
}
# Ratios need two days, and something that deviates.
computed = {name: value for name, value in computed.items() if said[name] is not None or not numpy.isnan(value)}
wrong = [name for name, value in computed.items()
         if said[name] is None or not numpy.isclose(said[name], value, rtol=1e-9, atol=1e-9)]
for name in wrong:
    print(f"{name}: {said[name]} was told, {computed[name]} comes out")
by_month = {month["month"][:7]: month["sum_pct"] for month in told["by_month"]}
if set(by_month) != {str(month) for month in months.index} or not all(
    numpy.isclose(by_month[str(month)], value, rtol=1e-9, atol=1e-9) for month, value in months.items()
):
    wrong.append("by_month")
    print(f"by_month: {by_month} was told, {months.to_dict()} comes out")
print(f"{len(computed) + 1} figures of {len(results)} results, {len(wrong)} of them differ")
sys.exit(1 if wrong else 0)
