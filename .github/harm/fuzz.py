"""Ten minutes of coverage-guided fuzzing (atheris) of each reader; what it finds is counted, not raised.

    pip install atheris hypothesis
    python .github/harm/fuzz.py --minutes 10 --jobs 2       # all readers, two at a time
    python .github/harm/fuzz.py --only Vocab.load Run.load  # these; what is recorded of the others stays

Writes nbs/runs/harm/fuzz.json: for each reader the minutes, the inputs tried, understood, refused, and the foreign
tracebacks, with the shortest input of each kind. A reader's entry is written again while it runs, so that a reader
that kills the process is seen as well.
"""
import argparse, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import atheris

with atheris.instrument_imports(include=['diffusion_anchor', 'json', 'csv', 'ast']): import inputs, loaders
from diffusion_anchor import basics


def known(home, name=None):
    "name -> (good contents, function of a bad one), texts and folders; of texts alone if the name is among them."
    strange = [content for content in inputs.STRANGE if len(content) <= 4096]
    texts = {name: ([good.encode(), *strange], call) for name, (good, call) in inputs.readers(home).items()}
    return texts if name in texts else texts | loaders.loaders(home/'folders')


def fuzz(name, minutes, seed, out):
    "Fuzz one reader; atheris ends the process."
    home = Path(tempfile.mkdtemp())
    good, call = known(home, name)[name]
    began, written = time.time(), 0.
    found = dict(reader=name, minutes=0., cpu_minutes=0., tried=0, understood=0, refused=0, foreign=0, kinds={})

    def one(data):
        nonlocal written
        kind, line = inputs.outcome(call, data, home)
        found['tried'] += 1
        found[kind] += 1
        if kind == 'foreign':
            key = line.replace(str(home), '…')[:160]
            shortest = found['kinds'].get(key)
            if (shortest is None and len(found['kinds']) < 50) or (shortest and len(repr(data)) < len(shortest)):
                found['kinds'][key] = repr(data)[:400]
        if time.time() - written > 5:
            written = time.time()
            spent = dict(minutes=written - began, cpu_minutes=time.process_time())
            basics.write_json(out, found | {name: round(seconds/60, 2) for name, seconds in spent.items()})

    corpus, most = home/'corpus', max(4096, *map(len, good))
    corpus.mkdir()
    for i, content in enumerate(good): (corpus/str(i)).write_bytes(content[:most])
    atheris.Setup([sys.argv[0], str(corpus), f'-max_total_time={round(60*minutes)}', f'-seed={seed}',
                   f'-max_len={most}', '-timeout=60', '-rss_limit_mb=4096', '-verbosity=0'], one)
    atheris.Fuzz()


def one_reader(name, args, part):
    "Fuzz it in a process of its own; what that wrote."
    command = [sys.executable, __file__, '--reader', name, '--minutes', str(args.minutes), '--seed', str(args.seed),
               '--out', str(part)]
    done = subprocess.run(command, capture_output=True, text=True)
    entry = basics.read_json(part) if part.exists() else dict(reader=name, tried=0, told=done.stderr[-400:])
    print({k: v for k, v in entry.items() if k != 'kinds'}, *entry.get('kinds', {}), sep='\n  ', flush=True)
    return entry | dict(ended=done.returncode)


def all_readers(args):
    "The readers that are asked for, into the record."
    before = {e['reader']: e for e in basics.read_json(args.out)['readers']} if Path(args.out).exists() else {}
    with tempfile.TemporaryDirectory() as tmp, ThreadPoolExecutor(args.jobs) as pool:
        names = args.only or [*known(Path(tmp)/'names')]
        parts = [Path(tmp)/f'{i}.json' for i in range(len(names))]
        for entry in pool.map(one_reader, names, [args]*len(names), parts):
            before[entry['reader']] = entry
            command = f'python .github/harm/fuzz.py --minutes {args.minutes:g} --seed {args.seed}'
            record = dict(command=command, seed=args.seed, readers=[*before.values()],
                          versions=basics.environment() | dict(atheris=version('atheris')))
            basics.write_json(args.out, record)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=float, default=10., help='for each reader')
    parser.add_argument('--seed', type=int, default=1, help='of the fuzzer')
    parser.add_argument('--only', nargs='*', help='some readers')
    parser.add_argument('--jobs', type=int, default=1, help='readers at a time')
    parser.add_argument('--reader', help='one, in this process')
    parser.add_argument('--out', default='nbs/runs/harm/fuzz.json')
    args = parser.parse_args()
    if args.reader: fuzz(args.reader, args.minutes, args.seed, args.out)
    else: all_readers(args)
