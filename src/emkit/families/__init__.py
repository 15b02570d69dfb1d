"""What a component or a state emits."""
