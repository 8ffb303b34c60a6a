"""Ready-to-run examples, to be read and copied: nothing else imports them.

Each file says what the strategy does, what it earns, and what kills it:

- ``funding_carry``: coin against its perpetual; against an inverse perpetual with the coin as collateral;
- ``funding_arbitrage``: two perpetuals of one coin at two venues, money moved when one side runs dry;
- ``trend``: breakouts, pyramiding, a volatility target and a resident trailing stop;
- ``trend_compiled``: a cross of two averages as a compiled class;
- ``market_maker``: a bid and an ask in the queues of a book, leaning against what is held;
- ``market_maker_compiled``: the same as a compiled class, order for order;
- ``unwind``: a leveraged position closed over time, by a schedule;
- ``basket``: many shorts hedged with one long in cross margin.
"""
