"""The base class of strategies. Compiled ones override the C hooks; they run without the GIL and must not touch Python.

A `const Event *` is good only during the call. Prices and quantities are mantissas: divide by
`price_divisor(instrument)` and `quantity_divisor(instrument)`. C verbs take quantity units and return the order's id;
0 = nothing sent.
"""

from backtest.account_verbs cimport AccountVerbs

cdef class Strategy(AccountVerbs):
    pass
