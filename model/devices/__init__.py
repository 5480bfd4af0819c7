"""Which devices, cores, processes and machines a training is spread over."""
