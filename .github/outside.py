"""Run notebooks as a reader does who has only them: in an empty folder, the package installed, no clone in sight.

`python .github/outside.py 01_grammar 05_sample index`; without the network this shows that what can't be had is said.
"""
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]


def install(folder):
    "The package as a user gets it, not editable, before all others on the path."
    pip = [sys.executable, '-m', 'pip', 'install', '-q', '--no-deps', '--no-build-isolation', '--target', str(folder)]
    subprocess.run([*pip, str(ROOT)], check=True)
    os.environ['PYTHONPATH'] = str(folder)


def run(
    name,   # of a notebook
    folder, # where it is run
):
    "Run every cell that is not slow; an error in one of them is raised."
    notebook = nbformat.read(ROOT / 'nbs' / f'{name}.ipynb', 4)
    notebook.cells = [cell for cell in notebook.cells if '#| slow' not in cell.source]
    check = f"import diffusion_anchor as d; assert not d.__file__.startswith({str(ROOT)!r}), d.__file__"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(check))
    began = time.perf_counter()
    NotebookClient(notebook, timeout=600, kernel_name='python3', resources={'metadata': {'path': folder}}).execute()
    printed = [out.get('text', '') for cell in notebook.cells for out in cell.get('outputs', [])]
    if late := [text for text in printed if 'Traceback' in text]: # raised when a value was shown, which stops no cell
        raise AssertionError(f'{name}: {late[0].strip().splitlines()[-1]}')
    said = sum(text.startswith(('not shown', 'recorded runs are not here')) for text in printed)
    print(f'{name}: ran from top to bottom in {time.perf_counter() - began:.0f} s; {said} cells said what is not here')


if __name__ == '__main__':
    with TemporaryDirectory() as site, TemporaryDirectory() as folder:
        install(site)
        for name in sys.argv[1:]:
            run(name, folder)
