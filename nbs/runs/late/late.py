"""Where the clamp should begin: grammar samples by the timestep below which x̂₀ is rounded.

    python nbs/runs/late/late.py OUT NAME=RUN NAME=RUN …

A RUN is a run folder of the restaurant language, a NAME what its rows are called (« baseline-0 »: model and seed).
OUT/texts gets the samples of each cell, once; OUT/cells.csv the table of all that are there, OUT/pad.csv how many
places would be PAD along the way."""
import sys
from collections import Counter
from itertools import zip_longest
from pathlib import Path
import numpy as np, pandas as pd, torch
from diffusion_anchor.basics import environment, interval, read_json, write_json
from diffusion_anchor.data import PAD
from diffusion_anchor.grammar import RestaurantGrammar
from diffusion_anchor.sample import generate
from diffusion_anchor.train import Run

STARTS = True, 1900, 1800, 1700, 1600, 1500, 1000, False # True: from the first step on
HOW = dict(steps=32, precision='auto', seed=1)
N = 1000

def length_class(words): return min(max(len(words), 9), 29) // 3

def at_true_lengths(sentences, right, lengths):
    "Share accepted if sentences were as long as the language's: classes of three words, weighed as in training text."
    classes = np.array([length_class(words) for words in sentences])
    known = [(count, right[classes == k].mean()) for k, count in lengths.items() if (classes == k).any()]
    return sum(count*share for count, share in known) / sum(count for count, _ in known)

def measure(grammar, sentences, lengths):
    "Shares, lengths, likelihood and rules of one cell."
    right = np.array([grammar.accepts(words) for words in sentences])
    nats = [-grammar.log_prob(words) for words, ok in zip(sentences, right) if ok]
    row = dict(n=len(sentences), accepted=right.mean(), words=np.mean([len(words) for words in sentences]))
    row |= dict(zip(('low', 'high'), interval(right.astype(float))))
    beyond = grammar.rule_divergence(sentences)[0] - grammar.rule_divergence_floor(int(right.sum()))[0]
    row['accepted_at_true_lengths'] = at_true_lengths(sentences, right, lengths)
    return row | dict(nll_beyond=np.mean(nats) - grammar.entropy(), rule_beyond=beyond)

def changed(sentences, free):
    "Share of places whose word is another than without the clamp."
    pairs = [pair for two in zip(sentences, free) for pair in zip_longest(*two)]
    return np.mean([a != b for a, b in pairs])

def padding(model, name):
    "Share of places whose nearest word is PAD, by step, with and without the clamp, and in held-out text."
    for clamp in (True, False):
        for step in generate(model, 128, config=HOW | dict(clamp=clamp), trace=True).trace:
            share = (model.nearest(step['x0_hat'].to(model.device))[0] == PAD).double().mean().item()
            yield dict(model=name, clamp=clamp, t=step['t'], pad=share)

def main(out, *named):
    torch.set_num_threads(1)
    out, grammar = Path(out), RestaurantGrammar(0)
    (out/'texts').mkdir(parents=True, exist_ok=True)
    pads = []
    for name, run in (pair.split('=') for pair in named):
        model = Run.load(run).model
        pads += padding(model, name)
        for start in STARTS:
            path = out/'texts'/f'{name}-{start}.json'
            if path.exists(): continue
            cell = dict(model=name.rsplit('-', 1)[0], seed=int(name.rsplit('-', 1)[1]), clamp=str(start))
            write_json(path, cell | dict(texts=generate(model, N, config=HOW | dict(clamp=start)).texts))
            print(path.stem, flush=True)
    real = (grammar.corpus().ids('valid', 32) == PAD).double().mean().item()
    if named: pd.DataFrame(pads).assign(held_out=real).to_csv(out/'pad.csv', index=False, float_format='%.5g')
    cells = [read_json(path) for path in sorted((out/'texts').glob('*.json'))]
    words = {(c['model'], c['seed'], c['clamp']): [t.split() for t in c['texts']] for c in cells}
    lengths = Counter(length_class(e.words) for e in grammar.corpus().train)
    rows = [dict(model=key[0], seed=key[1], clamp=key[2]) | measure(grammar, sentences, lengths) |
            dict(changed=changed(sentences, words[*key[:2], 'False'])) for key, sentences in words.items()]
    pd.DataFrame(rows).to_csv(out/'cells.csv', index=False, float_format='%.5g')
    about = dict(command='python nbs/runs/late/late.py OUT NAME=RUN …', how=HOW, n=N, environment=environment(),
                 language=dict(words=grammar.mean_length(), nats=grammar.entropy()))
    write_json(out/'about.json', about)

if __name__ == '__main__': main(*sys.argv[1:])
