"""The report's question on E2E over seeds, in one sitting on one GPU: baseline, the anchor that its control study is
about, and the variant that does best on the grammar. First every cell is trained and measured, then control, as far as
the time goes; what is recorded stays, and a later call goes on with it.

    python .github/gpu_study.py --corpus e2e --teacher runs/teacher --targets target_attribute.json --out runs/e2e-seeds
"""
import argparse, functools, pickle, time
from multiprocessing import get_context
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
import torch
from diffusion_anchor.fluency import Teacher
from diffusion_anchor.study import CURES, VARIANTS, run_study
from diffusion_anchor.targets import load_targets
from diffusion_anchor.train import TrainConfig, open_corpus

ASKED = {name: VARIANTS[name] for name in ('baseline', 'anchor λ=0.1')} | CURES
BEGAN = time.perf_counter()


def tell(what): print(f'{time.perf_counter() - BEGAN:6.1f} s  {what}', flush=True)


def _fresh(function, cell):
    "One cell; what was compiled for the one before would only be looked through."
    torch._dynamo.reset()
    began = time.perf_counter()
    found = function(cell)
    name = f'{cell.name}, seed {cell.seed}'
    print(f'  {function.__name__} {name}: {time.perf_counter() - began:.1f} s {found or ""}', flush=True)
    return found


class Pool(ProcessPoolExecutor):
    "Processes that share the card."
    def __init__(self, workers, threads):
        super().__init__(workers, get_context('spawn'), torch.set_num_threads, (threads,))
        self.workers, self.threads = workers, threads

    def map(self, function, *items, **more): return super().map(functools.partial(_fresh, function), *items, **more)


def opened(name):
    if not name.endswith('.pkl'): return open_corpus(name)
    return pickle.loads(Path(name).read_bytes()) # our own file


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--corpus', default='e2e', help='e2e, a folder of E2E files, or a pickled corpus')
    parser.add_argument('--preset', default='e2e-cpu')
    parser.add_argument('--steps', type=int, default=None, help='training steps, otherwise the preset\'s')
    parser.add_argument('--seeds', type=int, default=6)
    parser.add_argument('--out', default='runs/e2e-seeds')
    parser.add_argument('--teacher', required=True, help='directory of a teacher')
    parser.add_argument('--targets', default=None, help='file of semantic targets; without it, no control')
    parser.add_argument('--workers', type=int, default=6)
    parser.add_argument('--threads', type=int, default=2, help='of each')
    parser.add_argument('--n', type=int, default=500, help='samples a cell')
    parser.add_argument('--per-target', type=int, default=10, help='samples a target')
    parser.add_argument('--n-targets', type=int, default=50, help='targets of length and infill')
    args = parser.parse_args()
    corpus, teacher = opened(args.corpus), Teacher.load(args.teacher)
    config = TrainConfig.preset(args.preset, **(dict(steps=args.steps) if args.steps else {}))
    study = functools.partial(run_study, corpus, ASKED, config, range(args.seeds), out_dir=args.out, n=args.n,
                              teacher=teacher)
    tell('read')
    with Pool(args.workers, args.threads) as pool:
        found = study(executor=pool)
        tell('trained and measured')
        if args.targets:
            told = dict(targets=dict(semantic=load_targets(args.targets)), n=args.per_target, progress=False,
                        n_targets=args.n_targets)
            found = study(executor=pool, tasks=('semantic', 'length', 'infill'), control=told)
            tell('control')
    print(found.mean().T.to_string())
    for note in found.notes: print(note)


if __name__ == '__main__': main()
