from recipes import at_once  # noqa: F401
