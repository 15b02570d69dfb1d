"""What several tests share: ``from support.paths import every_path``."""
