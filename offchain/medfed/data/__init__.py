"""A hospital's own data: records, the patients behind them, what is published about them, and cohorts. No chain, no torch."""
