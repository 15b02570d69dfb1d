"""Pictures, by matplotlib, of what the layers above hand over as arrays and names."""
