"""The quantity ahead of an own order in its level's queue, and how it shrinks.

Trades at the price shorten the queue from its front. A level that becomes smaller without a trade has lost a cancelled
order; a feed of levels does not say whether it stood ahead of ours or behind. The models of hftbacktest
(hftbacktest/src/backtest/models/queue.rs, read 2026-11) assume for a loss `d`, with `a` ahead and `b` behind:

- ``risk_averse``: it stood behind as long as there was anything behind.
- the others: the share `p` of it stood behind, with ``power:n`` f(x) = x^n or ``log`` f(x) = ln(1 + x) and
  ``p = f(b) / (f(a) + f(b))``; ``power_total:n`` and ``log_total``: ``p = f(b) / f(a + b)``; ``front_power:n``:
  ``p = 1 - (a / (a + b))^n``.

Where the feed tells order by order, ``fifo`` needs none of this: what an order ahead gives up is known to stand ahead.

What would have to be behind and is not there is taken from ahead. No model lets the queue ahead grow.
"""

from libc.math cimport log1p, pow

NAMES = {
    "risk_averse": RISK_AVERSE, "power": POWER_QUEUE, "power_total": POWER_TOTAL_QUEUE,
    "front_power": FRONT_POWER_QUEUE, "log": LOG_QUEUE, "log_total": LOG_TOTAL_QUEUE,
}


def code_of(model: str) -> int:
    """Return how the engine numbers a model."""
    return FIFO_QUEUE if model == "fifo" else NAMES[model]


cdef double share_behind(QueueModel model, double n, double ahead, double behind) noexcept nogil:
    cdef double of_behind, whole
    if model == FRONT_POWER_QUEUE:
        return 1.0 - pow(ahead / (ahead + behind), n)
    if model == POWER_QUEUE or model == POWER_TOTAL_QUEUE:
        of_behind = pow(behind, n)
        whole = pow(ahead, n) + of_behind if model == POWER_QUEUE else pow(ahead + behind, n)
    else:
        of_behind = log1p(behind)
        whole = log1p(ahead) + of_behind if model == LOG_QUEUE else log1p(ahead + behind)
    return of_behind / whole if whole > 0.0 else 1.0


cdef double ahead_after(QueueModel model, double power, double ahead, double before, double after) noexcept nogil:
    cdef double lost = before - after, behind = max(before - ahead, 0.0), p, rest = ahead
    if lost > 0.0 and model != RISK_AVERSE and ahead > 0.0:
        p = share_behind(model, power, ahead, behind)
        rest = max(0.0, ahead - (1.0 - p) * lost + min(behind - p * lost, 0.0))
    return min(ahead, rest, after)


def ahead(model: str, power: float, front: float, before: float, after: float) -> float:
    """Return the quantity ahead after a level has gone from `before` to `after` without a trade there."""
    return ahead_after(NAMES[model], power, front, before, after)


def fill_before_loss(ahead: int, trade_rate: float, loss_rate: float, cancel_rate: float = 0.0) -> float:
    """Return the probability that an order fills before its level is lost.

    Orders of one lot trade from the front of the queue at `trade_rate` a second, each order ahead is cancelled at
    `cancel_rate`, and the level is lost at `loss_rate`. With k orders ahead the next event is a step forward with
    probability ``(trade + k cancel) / (trade + k cancel + loss)``; the product over k = ahead .. 0 is the answer
    (leverage_lab.md LL-44).
    """
    if ahead < 0 or trade_rate <= 0.0 or loss_rate < 0.0 or cancel_rate < 0.0:
        raise ValueError(
            f"ahead must be at least 0, trade_rate above 0, loss_rate and cancel_rate not negative; got {ahead}, "
            f"{trade_rate}, {loss_rate}, {cancel_rate}")
    chance = 1.0
    for k in range(ahead + 1):
        step = trade_rate + k * cancel_rate
        chance *= step / (step + loss_rate)
    return chance
