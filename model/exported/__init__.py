"""What an exported version holds: the SavedModel for servers, and the engine for CPUs without TensorFlow."""
