"""N x N: every reference against every other one, in a job that can be stopped, shared and resumed.

The references are cut into ranges in the order in which they became active (``plan.py``). Workers claim
one range after the other (``worker.py``), compare it with itself and all before it (``compare.py``), and
write the pairs of each block together with the progress in one transaction: nothing is lost by kill -9, and
nothing counts twice. When all is compared, pairs become clusters (``clusters.py``), and clusters become cases
for a person. Nothing is ever merged or deleted by a job. ``jobs.py`` is the way in.
"""
