from workspace import at_once  # noqa: F401
