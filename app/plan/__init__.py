"""`plan`: what a run would be, what it would cost, and which checks fail, without training."""
