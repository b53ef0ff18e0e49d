"""Speed measured on this machine, next to other libraries.

Each kind of benchmark is a file with a function `compare`.
"""
