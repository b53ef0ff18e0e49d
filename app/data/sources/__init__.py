"""Where rows come from: what a command asks for, and what is stored there."""
