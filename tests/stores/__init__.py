"""Real stores on loopback for the tests: S3, Google Cloud Storage and HDFS, and faults on the way to them."""
