"""Where the clamp should begin on E2E: texts by the timestep below which x̂₀ is rounded, beside held-out text.

    python nbs/runs/late/e2e.py RUN CORPUS TEACHER OUT

RUN is a run folder, CORPUS a folder of E2E files. OUT/texts gets the samples of each cell, once; OUT/table.csv a row a
cell: each measure of room 08g and its ratio to the spread of held-out text."""
import sys
from pathlib import Path
import pandas as pd, torch
from diffusion_anchor.basics import environment, read_json, write_json
from diffusion_anchor.fluency import Teacher
from diffusion_anchor.sample import generate
from diffusion_anchor.study import as_held_out
from diffusion_anchor.train import Run, open_corpus

SOLVER = dict(sampler='dpm2m', grid='decided')
CELLS = [(64, 1500, True), (64, True, True), (64, False, True), (64, 1700, True), (32, True, False), (32, 1500, False),
         (32, False, False), (64, 1600, True), (64, 1300, True)]
N = 500 # as_held_out compares as many as half of the held-out text allows: 446

def cell(steps, start, solver): # options of `generate`
    return dict(steps=steps, clamp=start, precision='auto', seed=0) | (SOLVER if solver else {})

def main(run, corpus, teacher, out):
    torch.set_num_threads(1)
    out, run = Path(out), Run.load(run)
    (out/'texts').mkdir(parents=True, exist_ok=True)
    for steps, start, solver in CELLS:
        path = out/'texts'/f"{steps}-{start}-{'solver' if solver else 'plain'}.json"
        if path.exists(): continue
        write_json(path, dict(steps=steps, clamp=str(start), solver=solver,
                              texts=generate(run.model, N, config=cell(steps, start, solver)).texts))
        print(path.stem, flush=True)
    cells = {path.stem: read_json(path) for path in sorted((out/'texts').glob('*.json'))}
    table = as_held_out({name: c['texts'] for name, c in cells.items()}, open_corpus(corpus), Teacher.load(teacher))
    rows = []
    for name, c in cells.items():
        row = {k: v for k, v in c.items() if k != 'texts'}
        row |= {k: table.loc[k, name] for k in table.index}
        rows.append(row | {f'{k}_ratio': table.loc[k, f'{name}, ratio'] for k in table.index})
    pd.DataFrame(rows).to_csv(out/'table.csv', index=False, float_format='%.5g')
    table[['held_out', 'spread']].to_csv(out/'held_out.csv', float_format='%.5g')
    config = read_json(run.dir/'config.json')['train']
    write_json(out/'about.json', dict(command='python nbs/runs/late/e2e.py RUN CORPUS TEACHER OUT', n=N, train=config,
                                      environment=environment()))

if __name__ == '__main__': main(*sys.argv[1:])
