"""How predictions are read: JSON, Arrow, CloudEvents, behind a registry; as columns, or with care one by one."""
