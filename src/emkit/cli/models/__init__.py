"""The models that ``--model`` can name, one file each."""
