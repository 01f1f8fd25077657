"""What the four binaries share: flag parsing, exit codes, one clear line for bad input."""

import os
import pathlib
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence

import ml_collections
from absl import app, flags, logging

from liver_jax import files
from liver_jax.errors import InputError, Stopped, without_header_values

# 130: the shell's code for an interrupt from the keyboard.
FINISHED, FAILED, REFUSED, STOPPED, INTERRUPTED = 0, 1, 2, 75, 130


def _parse(usage: str) -> Callable[[Sequence[str]], list[str]]:
    def parse(argv: Sequence[str]) -> list[str]:
        if any(argument in ("-h", "-help", "--help", "--helpfull") for argument in argv[1:]):
            print(usage.strip())
            raise SystemExit(FINISHED)
        try:
            rest = flags.FLAGS(list(argv))
        except (AttributeError, KeyError) as error:
            # ml_collections' way to say it.
            field = re.search(r"\w+", str(error))
            _refuse(
                f"flags: the config has no field {field[0] if field else error!r}. "
                "configs/base.py lists them all."
            )
        except (flags.Error, TypeError, ValueError, OSError, ImportError, SyntaxError) as error:
            _refuse(f"flags: {_last_line(error)}. See --help.")
        if len(rest) > 1:
            _refuse(
                f"flags: {rest[1]!r} is not a flag. Flags are written --name=value; see --help."
            )
        return rest

    return parse


def config_value(given: flags.FlagValues) -> ml_collections.ConfigDict:
    """The config of a `--config` flag.

    Raises:
        InputError: The flag is missing, or its file cannot be loaded (ml_collections says so only
            when the config is first read).
    """
    try:
        config = given.config
        if config is not None:
            config.to_dict()
    except (flags.Error, AttributeError, OSError, ImportError, SyntaxError) as error:
        raise InputError("--config", _last_line(error), "See --help.") from error
    if config is None:
        raise InputError(
            "--config", "it is missing", "Give --config=configs/stage1.py, for example."
        )
    return config


def _last_line(error: Exception) -> str:
    """The message; of one that holds a whole traceback (ml_collections makes such), its end."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip().rstrip(".") if len(lines) > 1 else lines[0].rstrip(".")


def _log_traceback() -> str:
    """Keeps the traceback of a defect and says where."""
    for folder in (pathlib.Path.cwd(), pathlib.Path(tempfile.gettempdir())):
        log = folder / "liver_jax_error.log"
        try:
            with open(log, "a", encoding="utf-8") as file:
                told = without_header_values(traceback.format_exc())
                file.write(f"{' '.join(sys.argv)}\n{told}\n")
        except OSError:
            continue
        return f"the traceback is in {log}"
    return "no folder for the traceback could be written"


def _refuse(line: str) -> None:
    print(line, file=sys.stderr)
    raise SystemExit(REFUSED)


def run(main: Callable[[], int | None], usage: str) -> None:
    """Parses the flags, runs `main` and exits with the code that the outcome deserves.

    Args:
        main: The work; returns an exit code, or None for 0.
        usage: The text of `--help`, at most one screen.
    """

    def guarded(_: Sequence[str]) -> None:
        if not flags.FLAGS["verbosity"].present:
            # The libraries' own chatter; --verbosity=0 shows it.
            logging.set_verbosity(logging.ERROR)
        try:
            code = main() or FINISHED
        except InputError as error:
            _refuse(str(error))
        except Stopped as stop:
            print(stop, file=sys.stderr)
            code = STOPPED
        except KeyboardInterrupt:
            print("interrupted. Run the same command again to go on.", file=sys.stderr)
            code = INTERRUPTED
        except Exception as error:
            if isinstance(error, OSError) and error.errno in files.DISK_FULL:
                _refuse(
                    f"{error.filename or 'output'}: the disk is full. Free space and run again."
                )
            if isinstance(error, PermissionError):
                _refuse(f"{error.filename}: permission denied. Check it, or choose another folder.")
            told = " ".join(without_header_values(str(error)).split())
            line = f"{type(error).__name__}: {told}"[:2000]
            print(f"failed: {line} ({_log_traceback()})", file=sys.stderr)
            code = FAILED
        sys.stdout.flush()
        sys.stderr.flush()
        if code in (STOPPED, INTERRUPTED):
            # At once: XLA may be compiling in another thread, and crashes where Python tidies up.
            os._exit(code)
        sys.exit(code)

    app.run(guarded, flags_parser=_parse(usage))
