"""What there is to copy: each work is one peer or several, each with a collect directory of plain files."""
import dataclasses
import hashlib
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
READY, MARKER, MANIFEST = "cback.collect", "cback.stage", "cback.sha256"
BLOCK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    about: str
    peers: dict   # {peer: {file: size}}
    has_manifest: bool = False   # each peer has the sums of its files with it

    @property
    def files(self):
        return sum(map(len, self.peers.values()))

    @property
    def size(self):
        return sum(sum(files.values()) for files in self.peers.values())


def works(scale=1.0):
    """{name: Work}. A scale below one makes fewer files where there are many, and smaller ones where there are few."""
    def count(full, least):
        return max(least, round(full * scale))

    def size(full):
        return max(1, round(full * scale))

    archives = [size(value) for value in log_normal_sizes(12, 60 * MIB, 1.2)]
    peers = {f"peer{number:03}": {"home.tar.gz": 4 * MIB, "etc.tar.gz": 960 * KIB, "packages.txt": 64 * KIB}
             for number in range(count(100, 3))}
    return {work.name: work for work in (
        work_of_one("small", "files of 4 KiB", {f"{number:05}.dat": 4 * KIB for number in range(count(10_000, 10))}),
        work_of_one("mid", "files of 1 MiB", {f"{number:03}.dat": MIB for number in range(count(200, 2))}),
        work_of_one("big", "one file", {"image.raw": size(4 * GIB)}),
        work_of_one("collect", "archives of log-normal size, and their sums",
                    {f"archive{number:02}.tar.gz": value for number, value in enumerate(archives)}, has_manifest=True),
        Work("pool", "peers of 5 MiB, three files each", peers))}


def work_of_one(name, about, files, **more):
    return Work(name, about, {"peer": files}, **more)


def log_normal_sizes(count, median, sigma):
    """The middles of `count` equal parts of that distribution: the same ones each time."""
    normal = statistics.NormalDist(0, sigma)
    return [median * 2.718281828459045 ** normal.inv_cdf((number + 0.5) / count) for number in range(count)]


def make(work, directory):
    """Writes DIRECTORY/PEER/FILE; incompressible, and the same bytes each time. The files look hours old, and each peer
    is ready to be staged."""
    then = time.time() - 36_000
    for peer, files in work.peers.items():
        place = Path(directory, peer)
        place.mkdir(parents=True)
        for name, size in files.items():
            with open(place / name, "wb") as file:
                for at in range(0, size, BLOCK):
                    seed = f"{work.name}/{peer}/{name}/{at}".encode()
                    file.write(hashlib.shake_128(seed).digest(min(BLOCK, size - at)))
        if work.has_manifest:
            sums = content(place)
            (place / MANIFEST).write_text("".join(f"{sums[name]}  {name}\n" for name in files))
        (place / READY).touch()
        for path in place.iterdir():
            path.chmod(0o644)
            os.utime(path, (then, then))


def content(directory):
    """{relative path: sha256}; what is no file or directory has its kind instead, which no file can equal."""
    directory = Path(directory)
    paths = [path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir()]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return dict(zip((str(path.relative_to(directory)) for path in paths), threads.map(sha256, paths)))


def sha256(path):
    if path.is_symlink() or not path.is_file():
        return "not a file"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def warm_up(directory):
    """Has all of it read, so that it is in memory as far as it fits."""
    buffer = bytearray(BLOCK)
    for path in Path(directory).rglob("*"):
        if path.is_file():
            with open(path, "rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass
