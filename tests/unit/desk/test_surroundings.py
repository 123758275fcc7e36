"""What VetBridge stands on: file systems by what the system tells of its mounts, disks, and certificates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.desk.practice import Desk
from vetbridge.config.models import Watch
from vetbridge.desk import surroundings
from vetbridge.desk.doctor import Mark
from vetbridge.desk.surroundings import MEGABYTE, NETWORK, check_disks, check_skew, on_linux, on_mac

MOUNTINFO = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
40 27 0:44 / /srv/clinic\040share rw,relatime shared:9 master:2 - cifs //nas/clinic rw,vers=3.1
41 27 0:45 / /home rw,relatime - nfs4 nas:/home rw
42 41 8:2 / /home/local rw,relatime - xfs /dev/sdb rw
43 27 0:50 / /mnt/c rw - 9p C:\134 rw
this is no mount
"""
MOUNTS = """
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
//anna@nas._smb._tcp.local/Praxis on /Volumes/Praxis on NAS (smbfs, nodev, nosuid, mounted by anna)
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/vetbridge", "ext4"),
        ("/srv/clinic share/ledger", "cifs"),
        ("/srv/clinic", "ext4"),
        ("/home/vet", "nfs4"),
        ("/home/local/vet", "xfs"),
        ("/mnt/c/vetbridge", "9p"),
    ],
)
def test_linux_tells_what_a_folder_is_on(path: str, kind: str) -> None:
    assert on_linux(MOUNTINFO, Path(path)) == kind


def test_mac_tells_what_a_folder_is_on() -> None:
    assert on_mac(MOUNTS, Path("/Volumes/Praxis on NAS/ledger")) == "smbfs"
    assert on_mac(MOUNTS, Path("/Users/anna")) == "apfs"
    assert {"smbfs", "cifs", "nfs4", "9p"} <= NETWORK
    assert not {"apfs", "ext4", "xfs"} & NETWORK


def test_a_system_that_does_not_say_is_no_network() -> None:
    assert on_linux("", Path("/srv")) == on_mac("nothing", Path("/srv")) == ""


@dataclass
class Usage:
    free: int


@pytest.mark.sqlite_file("a file stands on a disk")
@pytest.mark.parametrize(
    ("megabytes", "mark", "exit_code"), [(600, Mark.OK, 0), (499, Mark.WARN, 0), (19, Mark.WRONG, 6)]
)
def test_room_on_the_disk(desk: Desk, megabytes: int, mark: Mark, exit_code: int) -> None:
    (line,) = check_disks(desk.loaded().config, lambda _path: Usage(megabytes * MEGABYTE))
    assert (line.subject, line.mark, line.exit_code) == ("ledger", mark, exit_code)
    assert bool(line.advice) == (mark is not Mark.OK)


@pytest.mark.sqlite_file("a file stands on a disk")
def test_one_disk_is_told_once(desk: Desk) -> None:
    config = desk.config()
    config["backup"] = {"folder": "."}
    config["log"] = {"file": "vetbridge.log"}
    desk.save(config)
    assert len(list(check_disks(desk.loaded().config, lambda _path: Usage(0)))) == 1


@pytest.mark.parametrize(
    ("skews", "words"),
    [
        ([], None),
        ([30.0, -30.0], None),
        ([-7200.0, -7200.0], "2 hours behind"),
        ([0.0, 7200.0, 0.0], None),
    ],
)
def test_one_vendor_whose_clock_is_wrong_does_not_make_ours_wrong(skews: list[float], words: str | None) -> None:
    lines = list(check_skew(skews, Watch()))
    assert bool(lines) == (words is not None)
    assert all(words in line.text for line in lines if words)


def test_a_name_that_is_no_host_is_told(desk: Desk) -> None:
    config = desk.config()
    config["door"] = {"host": "no.such.host.invalid", "port": 8710}
    desk.save(config)
    (line,) = surroundings.check_listeners(desk.loaded().config, None)
    assert (line.subject, line.mark) == ("door", Mark.WRONG)
