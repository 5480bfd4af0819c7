"""For every test: what may run beside what, the fast ones by themselves, and what to do about those that fail."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.requirements import EXHAUSTIVE
from workspace.foreign_lines import quiet_tensorflow
from workspace.machine import usable_cores

quiet_tensorflow()

pytest_plugins = ["tests.stores.fixtures"]

ROOT = Path(__file__).parent.parent

# A suite started in the background inherits an ignored SIGINT and hands it on to the commands that tests
# interrupt; with a handler here, they begin as they would at a terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more of what else the machine does than of the code.
settings.register_profile("ours", deadline=None, max_examples=100 if EXHAUSTIVE else 30)
settings.load_profile("ours")
# Where the same tests run on several Pythons, which few examples tell apart.
settings.register_profile("few", settings.get_profile("ours"), max_examples=10)

# What has several processes at work at once, and takes all cores: one of these at a time.
HEAVY = (
    "tests/end_to_end/test_python.py",
    "tests/end_to_end/test_road.py",
    "tests/end_to_end/test_store.py",
    "tests/model/devices/test_workers.py",
    "tests/pipelines/runners/test_flink.py",
    "tests/pipelines/runners/test_flink_apart.py",
    "tests/pipelines/runners/test_flink_workers.py",
)
# What needs every store: started once for them all.
STORES = (
    "tests/pipelines/preparation/test_in_a_store.py",
    "tests/workspace/test_storage_remote.py",
    "tests/workspace/test_store_faults.py",
    "tests/workspace/test_stores.py",
)
# What takes longest comes first, and last what is in many small files, so that no core is idle at the end.
FIRST = ("heavy", "stores", "test_commands.py", "rnnsearch", "recipes", "model", "serving")
# What trains or serves for many tests.
SLOW_FIXTURES = {
    "trained",
    "of_one_replica",
    "text_server",
    "numbers_server",
    "s3_server",
    "gcs_server",
    "hdfs_server",
}
# Each takes a gigabyte, most of it TensorFlow.
MOST_WORKERS = 4


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fast",
        action="store_true",
        help="only what takes a moment: no process, training or server",
    )


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Several only for whole directories: one file is sooner done than they are started."""
    if not any(Path(argument).is_dir() for argument in config.args):
        return 0
    cores = usable_cores()
    # All but the fast tests wait now and then, so there is work for one more.
    return min(MOST_WORKERS, cores if config.option.fast else cores + 1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is not asked for, and puts the rest in order."""
    if config.option.fast:
        config.hook.pytest_deselected(items=[item for item in items if is_slow(item)])
        items[:] = [item for item in items if not is_slow(item)]

    def place(item: pytest.Item) -> int:
        group = group_of(file_of(item)) or file_of(item).split("/")[1]
        return FIRST.index(group) if group in FIRST else len(FIRST)

    items.sort(key=place)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return FileAtATime(config, log)


class FileAtATime(LoadScopeScheduling):
    """Gives the tests of a file to one worker, for what they share is made once, all heavy ones to the same, and
    those of the stores."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return group_of(file) or file


def group_of(file: str) -> str | None:
    """What one worker runs, one file after the other; None of a file that is by itself."""
    return "heavy" if file in HEAVY else "stores" if file in STORES else None


def is_slow(item: pytest.Item) -> bool:
    """Whether it starts a process, trains, serves or takes seconds: it is marked so, or has a fixture that does."""
    return bool(item.get_closest_marker("slow")) or not SLOW_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def file_of(item: pytest.Item) -> str:
    """The file of a test, relative to the project's root."""
    return item.path.relative_to(ROOT).as_posix()


# The calls by which a process is started, as sys.addaudithook has them.
_STARTS_A_PROCESS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn")


# What trains and what serves, by the module it is in.
_SLOW = {"model.training.loop": "run_updates", "serving.api.stand_in": "Server.start"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """With --fast, a test that is not marked slow fails where it starts a process, trains or serves."""
    with pytest.MonkeyPatch.context() as patch:
        if item.config.option.fast:
            _running.append(item.nodeid)
            for module, name in _SLOW.items():
                if module in sys.modules:
                    patch.setattr(f"{module}.{name}", _refuse)
        try:
            return (yield)
        finally:
            _running.clear()


_running: list[str] = []


def _refuse(what: object, *_: object, **__: object) -> None:
    pytest.fail(f"{_running[-1]} starts a process, trains or serves ({what}): mark it slow")


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    # workspace.foreign_lines has its filter around the import of TensorFlow, in whichever test that comes first.
    if event in _STARTS_A_PROCESS and _running and arguments[0] != "grep":
        _refuse(arguments[0])


sys.addaudithook(_look)


def alone(test: str) -> str:
    """The command, for a shell, that runs the test of this id."""
    return f"make test TESTS={shlex.quote(shlex.quote(test))}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        needs = os.environ.get("RNNSEARCH_REQUIRE")
        variables = [f"{name}={os.environ[name]}" for name in ("CI", "RNNSEARCH_REQUIRE") if os.environ.get(name)]
        what = f"(it needs {needs}, which .ci/run installs)" if needs and file_of(item) in HEAVY else ""
        command = " ".join([*variables, alone(item.nodeid)])
        report.sections.append(("to run it alone", f"{command} {what}".rstrip()))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was skipped, and what would run it."""
    skipped: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ") if report.longrepr else "no reason"
        skipped[reason] = skipped.get(reason, 0) + 1
    if skipped:
        terminalreporter.section("skipped")
        for reason, count in sorted(skipped.items()):
            terminalreporter.line(f"{count} {'test' if count == 1 else 'tests'}: {reason}")
