"""What only developers measure; benchmarks/README.md says what each measures and how it is run."""
