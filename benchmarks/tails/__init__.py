"""What critics read of laws of the return that are known: `python -m benchmarks.tails`.

Every law is a small Markov chain whose rewards, and so whose discounted returns, have a
known distribution. A critic learns it from recorded steps by the library's own update,
and its mean, standard deviation and CVaR_0.1 are compared with those of the law.
"""
