"""Proof on the user's machine that nothing is lost: faults on order, and what came out in the end."""
