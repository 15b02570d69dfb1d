"""What only a process of its own can show: signals, terminals, pipes, start-up."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import emkit

# The parent may have started us with SIGINT ignored, as background jobs are; a person's shell does not.
_RUN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from emkit.cli.entry import main; main()"


def start(*args, **streams):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | streams
    return subprocess.Popen([sys.executable, "-c", _RUN, *map(str, args)], **streams)


@pytest.fixture
def blurred(tmp_path):
    """Two components that EM does not tell apart in any number of iterations."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(2000, 2)))
    return tmp_path / "x.npy"


def test_ctrl_c_keeps_the_model_so_far(blurred, tmp_path):
    out = tmp_path / "m.safetensors"
    process = start("fit", blurred, "-k", 2, "--tol", 0, "--max-iter", 10**9, "--n-init", 1, "--out", out)
    seen = ""
    while "iteration 20 " not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 3, stderr
    assert "Traceback" not in stderr and "not converged; model written" in stderr
    assert "interrupted; the best parameters so far were kept" in stdout
    fitted = emkit.load(out)
    assert fitted.result_.reason is emkit.StopReason.INTERRUPTED and fitted.n_iter_ >= 20


def test_ctrl_c_before_anything_is_known(blurred, tmp_path, monkeypatch):
    from emkit.cli.app import app
    from emkit.estimators.gaussian_mixture import GaussianMixture

    def early(self, *_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(GaussianMixture, "fit", early)
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, ["fit", str(blurred), "-k", "2", "--out", str(tmp_path / "m.safetensors")])
    assert result.exit_code == 130 and "interrupted before there was anything to keep; no model was written" in result.stderr
    assert not (tmp_path / "m.safetensors").exists()


def test_a_ctrl_c_while_a_monitor_talks_waits_for_the_next_step():
    from emkit.cli.interrupts import Interrupts

    class Loud(emkit.Monitor):
        said = ()

        def say(self, text):
            os.kill(os.getpid(), signal.SIGINT)
            self.said = (*self.said, text)

    before, loud = signal.signal(signal.SIGINT, signal.default_int_handler), Loud()
    try:
        with Interrupts() as interrupts:
            interrupts.carry([loud])
            interrupts.say("hello")
            assert loud.said == ("hello",)
            assert interrupts.step(emkit.Step(1, None, 0.0, 0.0)) is emkit.StopReason.INTERRUPTED
            with pytest.raises(KeyboardInterrupt):
                interrupts.say("and again")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_terminal_gets_one_live_line(blurred):
    ours, theirs = os.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    process = start("fit", blurred, "-k", 2, "--tol", 0, "--max-iter", 200, "--n-init", 1, stderr=theirs, text=False, env=env)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # how a closed terminal says so
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert b"Gaussian mixture" in process.communicate()[0] and process.returncode == 0
    assert b"\x1b[2K" in shown and b"iteration 10  objective" not in shown  # a line rewritten in place, not a list of lines
    assert b"the model is not kept" in shown


def test_a_reader_that_leaves_is_no_traceback(blurred, tmp_path):
    model = tmp_path / "m.safetensors"
    emkit.GaussianMixture(2, random_state=0).fit(np.load(blurred)).save(model)
    np.save(blurred, np.zeros((20000, 2)))
    process = start("predict", model, blurred)
    process.stdout.readline()
    process.stdout.close()
    stderr = process.stderr.read()
    process.wait(timeout=30)
    process.stderr.close()
    assert "Traceback" not in stderr and "Error" not in stderr, stderr


def test_without_the_extra_one_line_says_what_to_install(monkeypatch, capsys):
    from emkit.cli import entry

    monkeypatch.setattr(entry, "find_spec", lambda name: None if name in ("typer", "pyarrow") else object())
    with pytest.raises(SystemExit) as left:
        entry.main()
    assert left.value.code == 2
    assert capsys.readouterr().err == "emkit: the command line also needs typer, pyarrow: pip install 'emkit[cli]'\n"


def test_help_and_version_load_nothing_heavy():
    code = "import sys; sys.argv = ['emkit', '{}']\nfrom emkit.cli.entry import main\n"
    code += "try: main()\nexcept SystemExit as e: assert e.code == 0\n"
    heavy = "print(sorted({'sklearn', 'numba', 'matplotlib', 'pyarrow', 'scipy'} & set(sys.modules)))"
    for word in ("--help", "--version"):
        out = subprocess.run([sys.executable, "-c", code.format(word) + heavy], capture_output=True, text=True, check=True).stdout
        assert out.splitlines()[-1] == "[]"
        assert emkit.__version__ in out or "predict" in out


def test_the_package_runs_as_a_module():
    """For who has several installations, or no folder of scripts on the path."""
    done = subprocess.run([sys.executable, "-m", "emkit", "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert emkit.__version__ in done.stdout
