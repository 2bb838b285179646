"What the three campaigns share: a run of a second, what it ends with, and counts that go on where they stopped."
import os

os.environ.setdefault('TQDM_DISABLE', '1')
import argparse, random, warnings
from collections import Counter
from pathlib import Path
import torch
from diffusion_anchor.basics import environment, read_json, short_hash, write_json
from diffusion_anchor.checkpoints import sound_checkpoints
from diffusion_anchor.grammar import RestaurantGrammar
from diffusion_anchor.train import TrainConfig, fit

torch.set_num_threads(1)
warnings.filterwarnings('ignore', message='grammar: ')
CORPUS = RestaurantGrammar(0).corpus(200)
SHAPE = dict(seq_len=24, hidden=32, layers=1, heads=2, emb_dim=16)
CONFIG = TrainConfig.preset('quick', steps=24, log_every=2, save_every=2, eval_every=24, eval_sentences=8, warmup=2,
                            batch_size=8, model=SHAPE)
RUNS = Path(__file__).parents[2]/'nbs'/'runs'/'harm'


def weights(model):
    return short_hash(*(p.detach().numpy().tobytes() for p in model.parameters()))


def steps_of(config=CONFIG):
    "step -> hash of the averaged weights, of a run that nothing happens to."
    seen = {}
    fit(CORPUS, config, callbacks=[lambda step, row, ema: seen.update({step: weights(ema)})])
    return seen


def newest(folder):
    "Step of the newest sound checkpoint, and what is said about the others."
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        kept = next(sound_checkpoints(folder), None)
    return kept.step if kept else 0, [str(w.message) for w in said]


def one_line(fault, known=(ValueError, OSError)):
    "Whether an error is ours: of a kind that is documented, in one line."
    return isinstance(fault, known) and len(str(fault).splitlines()) == 1


class Campaign:
    "Counts in nbs/runs/harm/NAME.json, written after each case; a second call goes on."
    def __init__(self, name, says):
        options = argparse.ArgumentParser(description=says)
        options.add_argument('--n', type=int, default=20, help='cases, those of earlier calls with this seed counted')
        options.add_argument('--seed', type=int, default=0)
        given = options.parse_args()
        self.n, self.seed, self.path = given.n, given.seed, RUNS/f'{name}.json'
        self.found = dict(seed=self.seed, tried=0, detected=0, silent=0, foreign=0, harmless=0, kinds={}, wrong=[])
        if self.path.exists() and (before := read_json(self.path))['seed'] == self.seed: self.found |= before
        command = f'python .github/harm/{name}.py --n {self.n} --seed {self.seed}'
        self.found |= dict(command=command, environment=environment())

    def cases(self):
        "Numbers of the cases that are still to be tried, each with its own dice."
        for case in range(self.found['tried'], self.n): yield case, random.Random(f'{self.seed} {case}')

    def add(self, kind, outcome, why='', **counts):
        "`outcome` is detected, silent, foreign or harmless."
        found = self.found
        found['tried'] += 1
        found[outcome] += 1
        found['kinds'][kind] = dict(Counter(found['kinds'].get(kind, {})) + Counter({outcome: 1}))
        for name, value in counts.items(): found[name] = found.get(name, 0) + value
        if outcome in ('silent', 'foreign'): found['wrong'].append(f"{found['tried']-1} {kind}: {why}"[:400])
        write_json(self.path, found)
        print(found['tried'], kind, outcome, why, flush=True)

    def end(self):
        print({k: v for k, v in self.found.items() if isinstance(v, int)})
