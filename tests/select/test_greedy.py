"""Greedy choice goes on where it ended, and is the same wherever it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest

from assay._parallel import Crew
from assay.errors import AssayWarning, DataError
from assay.select import checkpoint, kcenter, novelselect
from assay.select.candidates import Candidates, bins_within
from assay.select.centers import Centers
from tests.oracles.novelsum import cosine_distances

SELECTORS = {"novelselect": novelselect, "kcenter": kcenter}


def pool(n=600, d=16):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(n, d)) + 2 * rng.normal(size=(8, d))[rng.integers(8, size=n)]
    rows[n // 2 : n // 2 + 40] = rows[:40]  # copies
    return rows.astype(np.float32)


@pytest.fixture(scope="module")
def rows():
    return pool()


def equal(one, other):
    return one.indices.tolist() == other.indices.tolist() and one.gains.tobytes() == other.gains.tobytes()


class Stop(Exception):
    pass


def stop_at(number):
    def progress(done, _):
        if done == number:
            raise Stop

    return progress


@pytest.mark.filterwarnings("ignore:.*copies of another")
@pytest.mark.parametrize("name", SELECTORS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"initial_selected": [5, 300, 17]},
        {"skip_duplicates": True, "groups": [i % 3 for i in range(600)], "max_per_group": 40},
    ],
    ids=str,
)
def test_goes_on_where_it_ended(rows, tmp_path, name, options):
    select, file = SELECTORS[name], tmp_path / "kept.npz"
    whole = select(rows, budget=90, **options)
    with pytest.raises(Stop):
        select(rows, budget=90, checkpoint=file, progress=stop_at(33), **options)
    seen = []
    again = select(rows, budget=90, checkpoint=file, progress=lambda done, _: seen.append(done), **options)
    assert seen == list(range(34, 91))
    assert equal(again, whole)
    assert equal(select(rows, budget=90, checkpoint=file, **options), whole)
    more = select(rows, budget=100, checkpoint=file, **options)
    assert equal(more, select(rows, budget=100, **options))
    less = select(rows, budget=20, checkpoint=file, **options)
    assert equal(less, select(rows, budget=20, **options))


@pytest.mark.filterwarnings("ignore:.*copies of another")
@pytest.mark.parametrize("variant", ["official", "paper"])
def test_killed_and_resumed(tmp_path, variant):
    file, script = tmp_path / "kept.npz", tmp_path / "run.py"
    script.write_text(
        "import sys, time\nsys.path.insert(0, sys.argv[3])\nfrom assay.select import checkpoint, novelselect\n"
        "from tests.select.test_greedy import pool\ncheckpoint.SECONDS = 0.0\n"
        "slow = lambda done, _: time.sleep(0.02)\n"
        "novelselect(pool(), budget=400, variant=sys.argv[2], checkpoint=sys.argv[1], progress=slow)\n"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    run = subprocess.Popen([sys.executable, str(script), str(file), variant, root])
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    run.send_signal(signal.SIGKILL)
    run.wait()
    with np.load(file) as saved:
        assert 1 < len(saved["rows"]) < 400
    done = novelselect(pool(), budget=400, variant=variant, checkpoint=file)
    assert equal(done, novelselect(pool(), budget=400, variant=variant))


@pytest.mark.filterwarnings("ignore:.*copies of another")
@pytest.mark.parametrize("name", SELECTORS)
def test_a_full_disk_costs_nothing(rows, tmp_path, name, monkeypatch):
    select, file = SELECTORS[name], tmp_path / "kept.npz"
    with pytest.raises(Stop):
        select(rows, budget=60, checkpoint=file, progress=stop_at(30))
    before = file.read_bytes()
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    code = (
        "import resource, signal, sys, warnings\nsys.path.insert(0, sys.argv[2])\n"
        "from assay.select import checkpoint, " + name + " as select\n"
        "from tests.select.test_greedy import pool\ncheckpoint.SECONDS = 0.0\n"
        "rows = pool(); select(rows, budget=2)\n"  # what is compiled is on disk already
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "with warnings.catch_warnings(record=True) as found:\n"
        "    warnings.simplefilter('always'); chosen = select(rows, budget=60, checkpoint=sys.argv[1])\n"
        "print(chosen.indices.tolist())\n"
        "print([str(one.message) for one in found if 'checkpoint' in str(one.message)])\n"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    done = subprocess.run(
        [sys.executable, "-c", code, str(file), root], capture_output=True, text=True, check=True
    )
    indices, warned = done.stdout.splitlines()
    assert indices == str(select(rows, budget=60).indices.tolist())
    assert warned.count("could not be written") == 1
    assert "File too large" in warned
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_another_pool_or_other_options(rows, tmp_path):
    file = tmp_path / "kept.npz"
    with pytest.warns(AssayWarning, match="copies"):
        novelselect(rows, budget=90, checkpoint=file)
    with pytest.raises(
        DataError, match=r"checkpoint must be of the same pool and options; .*kept\.npz is of others"
    ):
        novelselect(rows[1:], budget=90, checkpoint=file)
    with pytest.raises(DataError, match="of the same pool and options"):
        novelselect(rows, budget=90, proximity_power=2, checkpoint=file)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DataError, match=r"checkpoint must be a whole file; .*kept\.npz is not"):
        novelselect(rows, budget=90, checkpoint=file)


@pytest.mark.parametrize("name", SELECTORS)
def test_a_pool_file_that_changes(rows, tmp_path, name):
    np.save(tmp_path / "pool.npy", rows)
    mapped = np.load(tmp_path / "pool.npy", mmap_mode="r")

    def progress(done, _):
        if done == 5:
            os.utime(tmp_path / "pool.npy", ns=(1, 1))

    with pytest.raises(
        DataError, match=r"pool must not change while rows are chosen from it; .*pool\.npy did"
    ):
        SELECTORS[name](mapped, budget=9, progress=progress)


@pytest.mark.filterwarnings("ignore:.*copies of another")
@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("novelselect", {}),
        ("novelselect", {"variant": "paper"}),
        ("novelselect", {"initial_selected": [5, 300, 17], "skip_duplicates": True}),
        ("kcenter", {}),
        (
            "kcenter",
            {"initial_selected": [5, 300, 17], "groups": [i % 3 for i in range(600)], "max_per_group": 25},
        ),
    ],
    ids=str,
)
def test_ray_chooses_the_same(ray_started, rows, workers, name, options):
    select = SELECTORS[name]
    here = select(rows, budget=60, **options)
    there = select(rows, budget=60, engine="ray", workers=workers, **options)
    assert equal(there, here)
    assert there.facts.get("radius") == here.facts.get("radius")


def candidates(name, rows, scale, quality, crew):
    if name == "centers":
        return Centers(rows, quality, 80, crew)
    lowest, highest = float(scale.min()), float(scale.max())
    weights = 1.0 / np.arange(1, 81)
    return Candidates(
        rows, scale, quality, weights, "both", name == "by distance", lowest, highest, 128, crew
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["centers", "weighted", "by distance"])
def test_told_at_once_or_one_by_one(rows, name, dtype):
    rng = np.random.default_rng(8)
    rows = (rows * rng.uniform(0.1, 9, size=(600, 1))).astype(dtype)
    scale, quality = rng.uniform(0.3, 1, size=600), rng.uniform(0.9, 1.1, size=600)
    scale[300:340], quality[300:340] = scale[:40], quality[:40]  # the copies tie
    with Crew() as crew:
        steps = candidates(name, rows, scale, quality, crew)
        told, answers = [17], []
        while len(told) < 60:
            answers.append(steps.step(rows[told[-1:]], scale[told[-1:]], np.array(told[-1:])))
            told.append(answers[-1][2])
        for count in (1, 2, 30, 59):
            again = candidates(name, rows, scale, quality, crew)
            assert (
                again.step(rows[told[:count]], scale[told[:count]], np.array(told[:count]))
                == answers[count - 1]
            )
            if count < 59:  # and it goes on alike
                more = told[count:59]
                assert again.step(rows[more], scale[more], np.array(more)) == answers[-1]
            if name == "centers":
                assert again.radius() == again.radius()
                assert again.radius() == steps.radius()
                near = cosine_distances(rows.astype(np.float64))[:, told[:59]].min(axis=1)
                assert abs(steps.radius() - near.max()) < 1e-12
        shut = np.setdiff1d(np.arange(600), told)
        assert again.step(rows[:0], scale[:0], np.r_[shut, told]) is None


def test_memory_is_that_of_a_worker():
    size = {"bare": False, "itemsize": 4, "engine": "ray"}
    with pytest.raises(DataError, match=r"memory_gb must be at least 0\.35 for 10 of 300000 rows"):
        bins_within(0.29, 300_000, 8, 10, **size, workers=1)
    assert bins_within(0.29, 300_000, 8, 10, **size, workers=6) == 32


class Mortal(Candidates):
    """Candidates whose process is killed when 30 rows are chosen, once for each of two shares."""

    def step(self, vectors, scales, closed):
        mark = os.path.join(os.environ["ASSAY_TEST_MARKS"], str(len(self.rows)))
        if self.count == 30 and not os.path.exists(mark):
            open(mark, "x").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(vectors, scales, closed)


@pytest.mark.filterwarnings("ignore:.*copies of another")
def test_lost_workers_change_nothing(ray_started, rows, tmp_path, monkeypatch):
    expected = novelselect(rows[:599], budget=60)
    monkeypatch.setattr(sys.modules["assay.select.novelselect"], "CANDIDATES", f"{__name__}:Mortal")
    import ray

    from assay import _ray

    marks = {"env_vars": {"ASSAY_TEST_MARKS": str(tmp_path)}}
    plain = ray.remote
    monkeypatch.setattr(_ray.connect(), "remote", lambda **options: plain(runtime_env=marks, **options))
    monkeypatch.setattr(_ray, "_idle", [])
    chosen = novelselect(rows[:599], budget=60, engine="ray", workers=2)
    assert len(list(tmp_path.iterdir())) == 2
    assert equal(chosen, expected)


def test_a_pool_in_a_file_is_never_in_memory_whole(tmp_path):
    n, d = 16_000, 1024
    file = np.lib.format.open_memmap(tmp_path / "pool.npy", "w+", dtype=np.float32, shape=(n, d))
    for start in range(0, n, 4000):
        file[start : start + 4000] = np.random.default_rng(start).standard_normal((4000, d), dtype=np.float32)
    file.flush()
    del file
    mapped = np.load(tmp_path / "pool.npy", mmap_mode="r")
    novelselect(mapped[:300], budget=5, density=np.ones(300))  # what is compiled takes memory too
    kcenter(mapped[:300], budget=5)
    for select in (
        lambda: novelselect(mapped, budget=40, density=np.ones(n)),
        lambda: kcenter(mapped, budget=40),
    ):
        tracemalloc.start()
        try:
            found = select()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert len(found.indices) == 40
        assert peak < n * d * 4 / 2


def test_too_little_memory_for_kcenter_is_said_at_once():
    rows = np.random.default_rng(0).normal(size=(30_000, 3)).astype(np.float32)
    with pytest.raises(
        DataError, match=r"memory_gb must be at least 0\.2\d for 20000 of 30000 rows .* got 0\.1, and"
    ):
        kcenter(rows, budget=20_000, memory_gb=0.1)
