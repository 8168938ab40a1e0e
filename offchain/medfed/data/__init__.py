"""A hospital's own data: records, the patients behind them, what is published of them, cohorts. No chain, no torch."""
