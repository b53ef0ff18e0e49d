"""The sheet of a GPU: tests, exactness, rates, steps next to other libraries, an epoch, memory, and tuned block sizes.

`python -m benchmarks.gpu` runs its parts in the order of their importance, each in a process with a time box.
"""
