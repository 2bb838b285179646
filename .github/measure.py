"""How readable the code is, in the terms of CONTRIBUTING: `python .github/measure.py [FOLDER of another package …]`."""
import argparse
import ast
import statistics
import subprocess
import tempfile
from pathlib import Path

import nbformat
import pandas as pd

ROOT = Path(__file__).parents[1]
BRANCHES = (ast.If, ast.IfExp, ast.For, ast.While, ast.ExceptHandler, ast.BoolOp, ast.comprehension, ast.Assert)


def formatted(
    text: str,   # of a Python file
    width: int,  # columns
) -> str:
    "As `ruff format` writes it."
    with tempfile.NamedTemporaryFile('w', suffix='.py', encoding='utf-8') as file:
        file.write(text)
        file.flush()
        command = ['ruff', 'format', '--isolated', '--quiet', '--line-length', str(width), file.name]
        subprocess.run(command, check=True)
        return Path(file.name).read_text(encoding='utf-8')


def functions(
    text: str,  # of a Python file
) -> list:      # of (name, lines, branches, parameters)
    "Every function and method: its length, what forks in it, what it takes."
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        forks = sum(isinstance(inner, BRANCHES) for inner in ast.walk(node))
        a = node.args
        taken = len(a.posonlyargs + a.args + a.kwonlyargs) - (bool(a.args) and a.args[0].arg in ('self', 'cls'))
        found.append((node.name, node.end_lineno - node.lineno + 1, forks, taken))
    return found


def of_package(
    folder,  # of Python files
) -> dict:
    "One row: lines and functions of a package, as written and as `ruff format` writes it."
    texts = [p.read_text(encoding='utf-8') for p in sorted(Path(folder).rglob('*.py')) if p.name != '_modidx.py']
    lines = [line for text in texts for line in text.splitlines()]
    written = [f for text in texts for f in functions(text)]
    at_100 = [f for text in texts for f in functions(formatted(text, 100))]
    longest = max(at_100, key=lambda f: f[1])
    return {
        'lines > 120, %': 100 * sum(len(line) > 120 for line in lines) / len(lines),
        'widest line': max(map(len, lines)),
        'longest function': max(f[1] for f in written),
        'at 100 columns': f'{longest[1]} ({longest[0]})',
        'functions > 40 lines, %': 100 * sum(f[1] > 40 for f in written) / len(written),
        'the same at 100': 100 * sum(f[1] > 40 for f in at_100) / len(at_100),
        'most branches': max(f[2] for f in written),
        'most parameters': max(f[3] for f in written),
        'lines as formatted at 120': sum(len(formatted(text, 120).splitlines()) for text in texts),
    }


def of_notebooks(
    folder,  # of notebooks
) -> dict:
    "One row: the code cells of notebooks."
    cells = [c.source for p in sorted(Path(folder).glob('*.ipynb')) for c in nbformat.read(p, 4).cells
             if c.cell_type == 'code' and c.source.strip()]
    count = lambda source: sum(not line.startswith('#|') for line in source.strip().splitlines())
    exported = [count(c) for c in cells if c.startswith(('#| export', '#|export')) and ('def ' in c or 'class ' in c)]
    lines = [line for c in cells for line in c.splitlines()]
    return {
        'code cells': len(cells),
        'lines > 120': sum(len(line) > 120 for line in lines),
        'cells > 15 lines, %': 100 * sum(count(c) > 15 for c in cells) / len(cells),
        'exporting cells': len(exported),
        'their median lines': statistics.median(exported) if exported else float('nan'),
        'the longest': max(exported, default=0),
        'of them > 45 lines': sum(n > 45 for n in exported),
    }


def main():
    "Print both tables, ours first."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('others', nargs='*', help='folders of other packages, for comparison')
    others = parser.parse_args().others
    packages = {Path(o).name: of_package(o) for o in [ROOT / 'diffusion_anchor', *others]}
    notebooks = {'nbs': of_notebooks(ROOT / 'nbs')}
    notebooks |= {Path(o).name: of_notebooks(o) for o in others if any(Path(o).glob('*.ipynb'))}
    for table in (packages, notebooks):
        print(pd.DataFrame(table).T.round(1).T.to_string(), end='\n\n')


if __name__ == '__main__':
    main()
