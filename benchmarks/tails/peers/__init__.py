"""What critics of other libraries read of the same laws.

`python -m benchmarks.tails.peers` trains the critics of d3rlpy, a package, and those of
the releases of RAMAC, O-RAAC and Value Flows, clones of their repositories. A critic
keeps its own network, loss and target. The data, the target actions, which are those of
the laws' own policy, and the fractions that are read are the same for all.
"""
