"""Where the E-step runs."""
