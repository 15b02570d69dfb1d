"""Sources, and the validation of data."""
