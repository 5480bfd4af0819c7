"""TensorFlow, imported without what it says then. Whatever a conftest says while it is imported, pytest shows at its
end; so those of whole directories import this first."""

from workspace.foreign_lines import foreign_lines_left_out

with foreign_lines_left_out():
    import tensorflow  # noqa: F401
