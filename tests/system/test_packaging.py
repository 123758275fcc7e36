"""What stands in packaging: read by the programs that it is for, where they are installed."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
PROXIES = PACKAGING / "proxies"


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed here")


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """packaging/windows/build.py"""
    spec = importlib.util.spec_from_file_location("build", PACKAGING / "windows" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates under the names that the samples use."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("hooks", "desk"):
        openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem"), "-subj", f"/CN={name}"]
        subprocess.run([*openssl, *files], capture_output=True, check=True)
    return folder


@needs("nginx")
@needs("openssl")
def test_nginx_takes_its_sample(tmp_path: Path, certified: Path) -> None:
    sample = (PROXIES / "nginx.conf").read_text().replace("/etc/ssl/", f"{certified}/")
    config = tmp_path / "nginx.conf"
    config.write_text(f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{sample}\n}}\n")
    done = subprocess.run(
        ["nginx", "-t", "-c", str(config), "-p", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@needs("caddy")
def test_caddy_takes_its_sample() -> None:
    command = ["caddy", "adapt", "--config", str(PROXIES / "Caddyfile"), "--adapter", "caddyfile", "--validate"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@needs("apache2")
@needs("openssl")
def test_apache_takes_its_sample(tmp_path: Path, certified: Path) -> None:
    modules = Path("/usr/lib/apache2/modules")
    names = ("mpm_event", "authz_core", "ssl", "proxy", "proxy_http", "headers", "socache_shmcb")
    head = [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in names]
    sample = (PROXIES / "apache.conf").read_text().replace("/etc/ssl/", f"{certified}/")
    config = tmp_path / "apache.conf"
    config.write_text("\n".join([*head, f"ServerRoot {tmp_path}", "ServerName x", f"ErrorLog {tmp_path}/e", sample]))
    done = subprocess.run(["apache2", "-t", "-f", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_iis_and_traefik_hand_on_webhooks_and_apps_alone() -> None:
    root = ElementTree.parse(PROXIES / "web.config").getroot()  # noqa: S314 - our own
    hooks, apps, last = root.iter("rule")
    for rule, path in ((hooks, "hooks/altegio-city/SECRET"), (apps, "apps/altegio-app")):
        assert re.fullmatch(rule.find("match").get("url"), path)  # type: ignore[union-attr, arg-type]
    assert last.find("action").get("statusCode") == "404"  # type: ignore[union-attr]
    routers = yaml.safe_load((PROXIES / "traefik.yaml").read_text())["http"]["routers"]
    assert "PathPrefix(`/hooks/`)" in routers["vetbridge-hooks"]["rule"]
    assert "PathPrefix(`/apps/`)" in routers["vetbridge-apps"]["rule"]
    assert all(router["observability"]["accessLogs"] is False for router in routers.values())


def test_the_container_runs_as_nobody_and_changes_nothing_of_itself() -> None:
    text = (PACKAGING / "container" / "Containerfile").read_text()
    assert [line for line in text.splitlines() if line.startswith("USER ")] == ["USER 10001:10001"]
    copied = re.findall(r"^COPY ((?!--from)\S.*?) \S+$", text, re.MULTILINE)
    assert all((ROOT / name).exists() for line in copied for name in line.split())
    service = yaml.safe_load((PACKAGING / "container" / "compose.yaml").read_text())["services"]["vetbridge"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@needs("makensis")
def test_the_installer_for_windows_is_built_from_stand_ins(tmp_path: Path, build: ModuleType) -> None:
    python, host = tmp_path / "python.zip", tmp_path / "WinSW.exe"
    with zipfile.ZipFile(python, "w") as archive:
        archive.writestr("python.exe", "a stand-in")
        archive.writestr("python312._pth", "python312.zip\n.\n")
    host.write_bytes(b"a stand-in")
    laid = tmp_path / "laid"
    libraries = build.lay_out(laid, python=python, host=host)
    assert libraries.relative_to(laid).parts == ("python", "Lib", "site-packages")
    assert "Lib\\site-packages" in (laid / "python" / "python312._pth").read_text()
    assert (laid / "vetbridge.cmd").read_bytes().count(b"\r\n") > 2
    out = tmp_path / "VetBridge.exe"
    build.pack(laid, version="0.1.0", out=out)
    assert out.read_bytes()[:2] == b"MZ"


def test_the_installer_lays_the_host_where_the_service_looks_for_it(tmp_path: Path, build: ModuleType) -> None:
    from vetbridge.daemon.installing.windows import host_of  # noqa: PLC0415 - only here

    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("python312._pth", "")
    (tmp_path / "w.exe").touch()
    build.lay_out(tmp_path / "laid", python=tmp_path / "p.zip", host=tmp_path / "w.exe")
    assert host_of((str(tmp_path / "laid" / "python" / "python.exe"),)).exists()
