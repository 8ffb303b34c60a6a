"""The quantity ahead of an own order in its level's queue, and how it shrinks."""

cdef enum QueueModel:
    RISK_AVERSE = 0          # only trades shorten it
    POWER_QUEUE = 1          # f(x) = x^n
    POWER_TOTAL_QUEUE = 2
    FRONT_POWER_QUEUE = 3
    LOG_QUEUE = 4            # f(x) = ln(1 + x)
    LOG_TOTAL_QUEUE = 5
    FIFO_QUEUE = 6           # known order by order

# Of what a level loses without a trade, the share that stood behind
cdef double share_behind(QueueModel model, double n, double ahead, double behind) noexcept nogil
# Ahead after a level has gone from `before` to `after` without a trade there (quantities in the instrument's unit)
cdef double ahead_after(QueueModel model, double power, double ahead, double before, double after) noexcept nogil
