"""What operators look at and act on, above the commands and below the application."""
