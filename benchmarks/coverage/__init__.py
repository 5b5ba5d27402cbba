"""Coverage of the intervals of CVaR, under known laws of returns."""
