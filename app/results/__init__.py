"""Answers from finished runs: each a function from runs to a plain object with `to_json`."""
