"""Every link from a notebook or a page to a file of this repository leads somewhere: `python .github/links.py`."""
import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
LINK = re.compile(r'\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"')


def texts():
    "(file, markdown) of every page."
    for path in sorted(ROOT.glob('*.md')):
        yield path, path.read_text(encoding='utf-8')
    for path in sorted((ROOT / 'nbs').glob('*.ipynb')):
        yield path, '\n'.join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == 'markdown')


def anchors(
    path,  # of a notebook or a markdown file
) -> set:  # as GitHub names them
    "What `#…` can point at."
    text = dict(texts())[path]
    heads = re.findall(r'^#+ (.*)$', text, flags=re.M)
    return {re.sub(r'[^\w\- ]', '', head.lower()).strip().replace(' ', '-') for head in heads}


def broken() -> list:
    "One line a link that leads nowhere."
    found = []
    for path, text in texts():
        for pair in LINK.findall(text):
            link = pair[0] or pair[1]
            if link.startswith(('http:', 'https:', 'mailto:', 'data:')):
                continue
            name, _, anchor = link.partition('#')
            target = (path.parent / name).resolve() if name else path
            if not target.exists():
                found.append(f'{path.relative_to(ROOT)}: {link} is not there')
            elif anchor and target in dict(texts()) and anchor.lower() not in anchors(target):
                found.append(f'{path.relative_to(ROOT)}: {link} has no such heading')
    return found


if __name__ == '__main__':
    lines = broken()
    print('\n'.join(lines) or 'every link leads somewhere')
    sys.exit(bool(lines))
