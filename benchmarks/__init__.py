"""What Heijunka costs, measured on real processes and a private server: `python -m benchmarks`."""
