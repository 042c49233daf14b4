"""Worker processes and the supervisor that keeps them."""
