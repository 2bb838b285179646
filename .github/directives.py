"""`python .github/directives.py`: alt text for figures without one; folds tests that show nothing. Directives only."""
import ast
import re
import textwrap
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
LABELS = re.compile(r"""(?:\b(title|xlabel|ylabel)\s*=|set_(title|xlabel|ylabel)\()\s*f?(['"])(.*?)\3""")


def alt(source, heading):
    "What a figure shows, from its titles and axes, or else the heading above it."
    found = {'title': [], 'xlabel': [], 'ylabel': []}
    for kind, other, _, text in LABELS.findall(source):
        if text and '{' not in text:
            found[kind or other].append(text)
    axes = [' and '.join(dict.fromkeys(found[kind])) for kind in ('ylabel', 'xlabel')]
    about = '; '.join(dict.fromkeys(found['title'])) or heading
    text = about + (f": {' against '.join(filter(None, axes))}" if any(axes) else '')
    return textwrap.shorten(re.sub(r'[$\\"`]', '', text), 102, placeholder=' …')


def tests(source):
    "Does a cell test or assert anything?"
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:
        return False
    names = [getattr(node.func, 'id', '') for node in nodes if isinstance(node, ast.Call)]
    return any(isinstance(node, ast.Assert) for node in nodes) or any(name.startswith('test_') for name in names)


def directed(cell, heading):
    "The source with the directives that it lacks, after those that it has."
    lines = cell.source.splitlines()
    has = [line for line in lines if line.startswith('#|')]
    if any('export' in line or 'hide' in line or 'code-fold' in line or 'fig-alt' in line for line in has):
        return cell.source
    more = []
    if any('image/png' in out.get('data', {}) for out in cell.outputs):
        more.append(f'#| fig-alt: "{alt(cell.source, heading)}"')
    elif not cell.outputs and tests(cell.source): # nothing to see but code
        more.append('#| code-fold: true')
    at = len(has)
    return '\n'.join(lines[:at] + more + lines[at:]) if lines[:at] == has and more else cell.source


if __name__ == '__main__':
    for path in sorted((ROOT / 'nbs').glob('*.ipynb')):
        notebook, heading = nbformat.read(path, 4), ''
        for cell in notebook.cells:
            heads = re.findall(r'^#+ (.*)$', cell.source, re.M) if cell.cell_type == 'markdown' else []
            heading = heads[-1] if heads else heading
            if cell.cell_type == 'code':
                cell.source = directed(cell, heading)
        nbformat.write(notebook, path)
