"""Ten minutes of coverage-guided fuzzing (atheris) of each reader; what it finds is counted, not raised.

    pip install atheris hypothesis
    python .github/harm/fuzz.py --minutes 10            # all readers, one after the other
    python .github/harm/fuzz.py --only Vocab.load       # one of them, in this process

Writes nbs/runs/harm/fuzz.json: for each reader the minutes, the inputs tried, understood, refused, and the foreign
tracebacks, with the shortest input of each kind. A reader's entry is written again while it runs, so that a reader
that kills the process is seen as well.
"""
import argparse, json, subprocess, sys, tempfile, time
from importlib.metadata import version
from pathlib import Path

import atheris

with atheris.instrument_imports(include=['diffusion_anchor', 'json', 'csv', 'ast']): import inputs
from diffusion_anchor import basics


def fuzz(name, minutes, seed, out):
    "Fuzz one reader; atheris ends the process."
    home = Path(tempfile.mkdtemp())
    good, call = inputs.readers(home)[name]
    began, written = time.time(), 0.
    found = dict(reader=name, minutes=0., cpu_minutes=0., tried=0, understood=0, refused=0, foreign=0, kinds={})

    def one(data):
        nonlocal written
        kind, line = inputs.outcome(call, data, home)
        found['tried'] += 1
        found[kind] += 1
        if kind == 'foreign':
            key = line.replace(str(home), '…')[:160]
            known = found['kinds'].get(key)
            if (known is None and len(found['kinds']) < 50) or (known and len(repr(data)) < len(known)):
                found['kinds'][key] = repr(data)[:400]
        if time.time() - written > 5:
            written = time.time()
            spent = dict(minutes=written - began, cpu_minutes=time.process_time())
            basics.write_json(out, found | {name: round(seconds/60, 2) for name, seconds in spent.items()})

    corpus = home/'corpus'
    corpus.mkdir()
    for i, content in enumerate([good.encode(), *inputs.STRANGE]): (corpus/str(i)).write_bytes(content[:4096])
    atheris.Setup([sys.argv[0], str(corpus), f'-max_total_time={round(60*minutes)}', f'-seed={seed}', '-max_len=4096',
                   '-timeout=60', '-rss_limit_mb=4096', '-verbosity=0', '-print_final_stats=0'], one)
    atheris.Fuzz()


def all_readers(args):
    "Each reader in a process of its own, and what they wrote together."
    results = []
    with tempfile.TemporaryDirectory() as tmp:
        for i, name in enumerate(inputs.readers(Path(tempfile.mkdtemp()))):
            part = Path(tmp)/f'{i}.json'
            command = [sys.executable, __file__, '--only', name, '--minutes', str(args.minutes),
                       '--seed', str(args.seed), '--out', str(part)]
            done = subprocess.run(command, capture_output=True, text=True)
            entry = json.loads(part.read_text(encoding='utf-8')) if part.exists() else dict(reader=name, tried=0)
            results.append(entry | dict(ended=done.returncode))
            counts = {k: v for k, v in results[-1].items() if k != 'kinds'}
            print(counts, *entry.get('kinds', {}), sep='\n  ', flush=True)
            record = dict(command=f'python .github/harm/fuzz.py --minutes {args.minutes} --seed {args.seed}',
                          seed=args.seed, versions=basics.environment() | dict(atheris=version('atheris')),
                          readers=results)
            basics.write_json(args.out, record)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=float, default=10., help='for each reader')
    parser.add_argument('--seed', type=int, default=1, help='of the fuzzer')
    parser.add_argument('--only', help='one reader')
    parser.add_argument('--out', default='nbs/runs/harm/fuzz.json')
    args = parser.parse_args()
    if args.only: fuzz(args.only, args.minutes, args.seed, args.out)
    else: all_readers(args)
