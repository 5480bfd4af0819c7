"""TensorFlow Serving's protocol: its flags and files, its errors, its tensors."""
