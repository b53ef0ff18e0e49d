"""What the program needs of the machine and the Hub: durable files, locks, memory, the Hub's client."""
