"""What a Flink cluster, and Beam's job server for it, are made of: Java, and jars that are downloaded once.

Flink's own jars come out of the PyPI package apache-flink-libraries, by pip. The job server is Beam's Java
module for this version of Flink with the jars it needs, all named in ``flink_job_server.lock``; Beam's own
downloader brings them. The one large jar that Beam would take by itself is not on every mirror of Maven
Central, and is no version that the tests have seen. Every file is checked by its SHA-256.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from workspace.errors import UserError
from workspace.storage import replacing, sha256_of

FLINK_VERSION = "1.19.3"
OLDEST_JAVA = 11
_PACKAGE_SHA256 = "4a58e3a1fb7d83340bc96b6c080624c6d792d69fae5d294b96224775204a9c60"
_LOCK = Path(__file__).with_name("flink_job_server.lock")
_JOB_SERVER = "job-server.jar"
JOB_SERVER_CLASS = "org.apache.beam.runners.flink.FlinkJobServerDriver"
# Of a jar, what is not for a merged one: its manifest, index and signatures, and classes for some version of Java only.
_LEFT_OUT = r".*/$|META-INF/(MANIFEST\.MF|INDEX\.LIST|[^/]*\.(SF|RSA|DSA)|versions/.*)$|module-info\.class$"


@dataclass(frozen=True)
class FlinkJars:
    """The downloaded jars: a directory of Flink's, and Beam's job server.

    held: the same as ``job_server``, under a name for which Beam does not send it to the cluster with every job.
    """

    flink: Path
    job_server: Path
    held: Path


def flink_jars() -> FlinkJars:
    """The jars, downloaded where they are not there yet. Raises UserError if one cannot be had, or is another."""
    cache = cache_directory()
    distribution = cache / f"flink-{FLINK_VERSION}"
    # Beam sends the class path of the job server to the cluster with every job, save what is in a directory of
    # this name: Flink's own jars, two thirds of it all, are there already.
    flink = distribution / "gradle" / "wrapper"
    if not flink.is_dir():
        with replacing(distribution) as directory:
            _download_flink(directory / flink.relative_to(distribution))
    server = cache / f"flink-job-server-{sha256_of(_LOCK)[:12]}"
    if not server.is_dir():
        with replacing(server) as directory:
            _download_job_server(directory)
    held = server / "gradle" / "wrapper" / _JOB_SERVER
    if not held.is_file():
        held.parent.mkdir(parents=True, exist_ok=True)
        with replacing(held) as temporary:
            _link(server / _JOB_SERVER, temporary)
    return FlinkJars(flink, server / _JOB_SERVER, held)


def cache_directory() -> Path:
    """Where what is downloaded once is kept, whatever work directory it was for."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rnnsearch"


def java_command(of: str = "Flink") -> str:
    """The java of JAVA_HOME or PATH. Raises UserError if there is none, or it is too old for ``of``."""
    home = os.environ.get("JAVA_HOME")
    command = shutil.which(str(Path(home, "bin", "java")) if home else "java")
    remedy = f"install Java {OLDEST_JAVA} or newer (Debian: apt-get install default-jre-headless)"
    if command is None:
        raise UserError(f"{of} needs Java, and there is none in {'JAVA_HOME' if home else 'PATH'}; {remedy}")
    said = subprocess.run([command, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        found = version[1] if version else "of no known version"
        raise UserError(f"{command} is Java {found}, too old for {of}; {remedy}")
    return command


def _download_flink(directory: Path) -> None:
    """Flink's runtime and its logging, out of the package; what is for SQL and for Python stays behind."""
    directory.mkdir(parents=True)
    requirement = f"apache-flink-libraries=={FLINK_VERSION}"
    print(f"downloading {requirement} (220 MiB, once)", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".pip-") as temporary:
        listed = Path(temporary, "requirements.txt")
        # pip runs a source package's setup.py; by this hash it is the one we know.
        listed.write_text(f"{requirement} --hash=sha256:{_PACKAGE_SHA256}\n")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check", "--quiet"]
        result = subprocess.run(
            [*command, "--dest", temporary, "--requirement", str(listed)], capture_output=True, text=True, check=False
        )
        if result.returncode:
            errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR: ")] or [result.stderr]
            reason = " ".join(errors[-1].removeprefix("ERROR: ").split())
            raise UserError(f"pip could not download {requirement} ({reason}); connect to a package index")
        with tarfile.open(next(Path(temporary).glob("*.tar.gz"))) as package:
            for member in package:
                name = Path(member.name).name
                if re.fullmatch(r"(flink-dist|log4j)-.*\.jar", name) and (jar := package.extractfile(member)):
                    with jar, (directory / name).open("wb") as file:
                        shutil.copyfileobj(jar, file)


def _link(file: Path, name: Path) -> None:
    """Not by a symbolic link, which Beam would follow before it looks at the name."""
    try:
        name.hardlink_to(file)
    except OSError:  # Not every file system has such names.
        shutil.copyfile(file, name)


def _download_job_server(directory: Path) -> None:
    """The jars of the lock file, made into one."""
    directory.mkdir()
    locked = [line.split() for line in _LOCK.read_text().splitlines() if not line.startswith("#")]
    print(f"downloading Beam's job server for Flink ({len(locked)} jars, 60 MiB, once)", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".jars-") as temporary:
        jars = [download_jar(coordinates, expected, temporary) for expected, coordinates in locked]
        _merge(jars, directory / _JOB_SERVER)


def download_jar(coordinates: str, expected: str, directory: str) -> Path:
    """One of Maven Central (group:artefact:version). Raises UserError if it has not the SHA-256 ``expected``."""
    from apache_beam.utils.subprocess_server import JavaJarServer  # noqa: PLC0415  once, and Beam takes a second

    group, artefact, version = coordinates.split(":")
    # It warns of every download that it is one.
    logging.getLogger(JavaJarServer.__module__).setLevel(logging.CRITICAL)
    try:
        jar = Path(JavaJarServer.local_jar(JavaJarServer.path_to_maven_jar(artefact, group, version), directory))
    except (OSError, RuntimeError) as error:
        raise UserError(f"{coordinates} could not be downloaded; connect to Maven Central, or a mirror") from error
    if (found := sha256_of(jar)) != expected:
        raise UserError(f"{coordinates} as downloaded has SHA-256 {found}, not {expected}; do not use that mirror")
    return jar


def _merge(jars: list[Path], target: Path) -> None:
    """Makes one jar of many: a cluster takes a tenth of a second for each that a job brings, however small."""
    services: dict[str, bytes] = {}
    written = set()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as merged:
        merged.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
        for jar in jars:
            with zipfile.ZipFile(jar) as archive:
                for name in archive.namelist():
                    if name.startswith("META-INF/services/"):
                        services[name] = services.get(name, b"") + archive.read(name) + b"\n"
                    elif name not in written and not re.match(_LEFT_OUT, name):
                        merged.writestr(name, archive.read(name))
                        written.add(name)
        for name, providers in services.items():
            merged.writestr(name, providers)
