"""Installs the packages; Beam ships this same file to its workers (--setup_file). Exact versions: constraints.txt."""

from setuptools import setup

setup(
    name="rnnsearch",
    version="0.1.0",
    description="From a raw parallel corpus to a translation over gRPC: Beam, Keras RNNsearch, TensorFlow Serving",
    python_requires=">=3.10,<3.13",
    packages=["recipes", "pipelines", "model", "serving"],
    package_data={"recipes": ["*.yaml"]},
    install_requires=[
        "apache-beam",
        "google-crc32c",
        "grpcio",
        "keras",
        "numpy",
        "protobuf",
        "pydantic>=2",
        "pyyaml",
        "rich",
        "sacrebleu",
        "sentencepiece",
        "tensorboard",
        "tensorflow",
        "tensorflow-serving-api",
        "tensorflow-text",
        "tqdm",
        "waitress",
        "werkzeug",
    ],
    extras_require={"dev": ["hypothesis", "mypy", "pytest", "ruff", "types-PyYAML", "types-protobuf", "types-tqdm"]},
)
