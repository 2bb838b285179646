"""What pays in a training step of `toy`: rows, a compiled step, the first guess, each beside the preset as it is.

python .github/ablate.py           seven minutes on a quiet machine; a run that was stopped goes on with its next round
python .github/ablate.py --sizes   costs by vocabulary, length and width instead: a minute
"""
import argparse
from dataclasses import replace
from pathlib import Path
import pandas as pd
import torch
from diffusion_anchor.basics import differences, environment, write_json
from diffusion_anchor.bench import FitTraining, Speed, by_size, factors, in_turn, processor, timed
from diffusion_anchor.data import PAD
from diffusion_anchor.train import TrainConfig, _update, draw_batch, open_corpus

OUT, USUAL = Path(__file__).parents[1] / 'nbs/runs/bench', 'as it is'


class Ablated(FitTraining):
    "The step of `fit` with one thing changed."
    def __init__(self,
        corpus,          # trained on
        config,          # of the preset
        alike=False,     # sentences of like length in a batch, cut behind the longest
        compiled=False,  # encoder layers by torch.compile
        guess=None,      # a first guess in every step, in none, or by the coin
    ):
        super().__init__(corpus, replace(config, steps=10**9))
        self.alike, self.guess, self.lengths = alike, guess, (self.ids != PAD).sum(1)
        self.words = self.lengths.double().mean().item() * config.batch_size # START and END are words, too
        if alike:
            self.ids = self.ids[self.lengths.argsort()]
            self.lengths = self.lengths.sort().values
        if compiled:
            for layer in self.state.model.input_transformers.layer: layer.compile()

    def rows(self):
        "What the batch is drawn from: all, or as many of like length as a batch holds."
        if not self.alike: return self.ids
        size, draw = self.config.batch_size, torch.Generator().manual_seed(self.state.done)
        first = torch.randint(len(self.ids) // size, (), generator=draw).item() * size
        return self.ids[first:first + size, :self.lengths[first + size - 1]]

    def step(self):
        "One training step."
        done = self.state.done
        _, batch, guess = draw_batch(self.rows(), done, self.config, self.state.model)
        self.loss(batch, done, guess if self.guess is None else self.guess)
        _update(self.state, self.config, done)


def ablations(
    corpus,  # trained on
    config,  # of the preset
) -> tuple:  # sides for `in_turn`, and what could not be tried
    "A word of text by rows; a step by what is compiled and how often it guesses first."
    texts = {USUAL: Ablated(corpus, config),
             'sentences run together': Ablated(corpus, replace(config, packing='block')),
             'like lengths together': Ablated(corpus, config, alike=True)}
    steps = {USUAL: Ablated(corpus, config), 'compiled': Ablated(corpus, config, compiled=True),
             'a first guess in every step': Ablated(corpus, config, guess=True),
             'no first guess': Ablated(corpus, config, guess=False)}
    failed = {}
    try: # to compile both passes before anything is timed
        steps['compiled'].guess = True
        steps['compiled'].step()
        steps['compiled'].guess = None
    except Exception as fault: # without a C++ compiler torch raises one of several
        failed['compiled'] = f'{type(fault).__name__}: {str(fault).strip().splitlines()[0]:.200}'
        del steps['compiled']
    sides = {('a word of text', name): timed(run.step, run.words) for name, run in texts.items()}
    return sides | {('a step', name): timed(run.step) for name, run in steps.items()}, failed


def measure(
    path,    # of the JSON file
    preset,  # a name of `PRESETS`
    rounds,  # how often each is measured
    turn,    # seconds of each in a round
) -> Speed:
    "Round after round, every second one backwards, saved after each."
    corpus, config = open_corpus('grammar', 2_000), TrainConfig.preset(preset)
    key = dict(preset=preset, turn=turn, train=config.to_dict(), code=environment()['code'])
    sides, failed = ablations(corpus, config)
    speed = Speed(dict(key=key, failed=failed), pd.DataFrame(dict(round=[]), dtype=int))
    if path.exists():
        speed = Speed.load(path)
        if other := differences(speed.about['key'], key): raise SystemExit(f'ablate: {path} is of another run: {other}')
    for number in range(speed.rows['round'].nunique(), rounds):
        order = dict(list(sides.items())[::-1 if number % 2 else 1])
        speed.rows = pd.concat([speed.rows, in_turn(order, 1, turn).assign(round=number)], ignore_index=True)
        command = f'python .github/ablate.py --preset {preset} --rounds {rounds} --turn {turn:g}'
        speed.about |= dict(command=command, environment=environment(), processor=processor())
        speed.save(path)
        print(f'round {number + 1} of {rounds}', flush=True)
    return speed


def main():
    "From the command line."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--preset', default='toy')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--turn', type=float, default=7., help='seconds of each in a round')
    parser.add_argument('--out', type=Path, default=OUT, help='folder of ablations.json or sizes.json')
    parser.add_argument('--sizes', action='store_true', help='costs by size instead')
    args = parser.parse_args()
    if args.sizes:
        rows = by_size().to_dict('records')
        write_json(args.out / 'sizes.json', dict(environment=environment(), processor=processor(), rows=rows))
    else:
        rows = measure(args.out / 'ablations.json', args.preset, args.rounds, args.turn).rows
        print(factors(rows, USUAL).round(4).to_string())


if __name__ == '__main__': main()
