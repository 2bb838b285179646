"""`python .github/llms.py` writes llms.txt: a line a room, from the first lines of its notebook."""
import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
RAW = 'https://raw.githubusercontent.com/diffusion-anchor/diffusion_anchor/main/nbs'


def line(path):
    "Title, address and the sentence in the first quotation of a notebook."
    text = nbformat.read(path, 4).cells[0].source
    title = re.search(r'^# (.*)$', text, re.M)[1]
    about = re.search(r'^> (.*)$', text, re.M)
    return f'- [{title}]({RAW}/{path.name})' + (f': {about[1]}' if about else '')


if __name__ == '__main__':
    first, *rest = line(ROOT / 'nbs' / 'index.ipynb').partition(': ')
    rooms = [line(path) for path in sorted((ROOT / 'nbs').glob('[0-9]*.ipynb'))]
    text = '\n'.join(['# diffusion_anchor', '', f'> {rest[1]}', '', '## Rooms', '', *rooms, ''])
    (ROOT / 'llms.txt').write_text(text, encoding='utf-8')
