"""The leverage lab: where a market of leveraged positions breaks, what it costs, how it should be designed.

Pure functions on arrays, usable without a run. Conventions (leverage_lab.md section 0): a drop is a fraction of the
reference price, positive when it is adverse for longs; quantities are base units; volatility is per square root of a
year of 365 days; times are seconds, in formulas of margin years. What is estimated comes with its standard error, what
is random takes a seed. Each module is imported by itself, so that nothing heavy is loaded before it is asked for.
"""
