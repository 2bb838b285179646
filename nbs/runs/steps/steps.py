"""Acceptance, length, exact likelihood and rule divergence of grammar samples by sampler, grid, clamping and steps.

    python nbs/runs/steps/steps.py RUN OUT [STEPS]

RUN is a run folder of the restaurant language. OUT/cells gets a record for each cell; one that is there is not done
again, and a record half written is never there. OUT gets the tables. STEPS (16,32) leaves out other cells."""
import math, sys, time
from pathlib import Path
import numpy as np, pandas as pd, torch
from diffusion_anchor.basics import environment, interval, read_json, write_json
from diffusion_anchor.decisions import decided_times, decisions
from diffusion_anchor.grammar import RestaurantGrammar
from diffusion_anchor.sample import SampleConfig, generate
from diffusion_anchor.train import Run

SAMPLERS = {'ddpm': dict(sampler='ddpm'), 'ddim': dict(sampler='ddim', eta=0.), 'dpm2m': dict(sampler='dpm2m', eta=0.),
            'dpm2m-sde': dict(sampler='dpm2m', eta=1.)}

def measure(grammar, sentences):
    "The numbers of a cell; exact_ppl as in the study: exp of all nats of the accepted by all their words."
    log_prob, length = np.array([[grammar.log_prob(words), len(words)] for words in sentences]).T
    right = np.isfinite(log_prob)
    row = dict(n=len(sentences), accepted=right.mean(), words=length.mean())
    row |= dict(zip(('accepted_low', 'accepted_high'), interval(right.astype(float))))
    if not right.any(): return row
    nats, words = -log_prob[right], length[right]
    return row | dict(words_accepted=words.mean(), exact_nll=nats.mean(), exact_nll_word=nats.sum()/words.sum(),
                      exact_ppl=math.exp(nats.sum()/words.sum()), unique=len({*map(tuple, sentences)})/len(sentences),
                      rule_divergence=grammar.rule_divergence(sentences)[0],
                      rule_divergence_floor=grammar.rule_divergence_floor(int(right.sum()), draws=5)[0])

def cell(model, cell, grids):
    "The record of one cell: its options, the time it took, the texts."
    steps, how = cell['steps'], grids.get(cell['grid'])
    times = decided_times(how[0], steps, model.schedule.steps, how[1]) if how else cell['grid']
    half = dict(precision=cell['precision']) if 'precision' in cell else {}
    config = SampleConfig.of(SAMPLERS[cell['sampler']], steps=steps, clamp=cell['clamp'], grid=times, **half)
    began, cpu = time.perf_counter(), time.process_time()
    texts = generate(model, cell['n'], config=config, offset=cell['first']).texts
    return cell | dict(seconds=time.perf_counter() - began, cpu_seconds=time.process_time() - cpu, texts=texts)

def plan():
    "Every cell, the ones that matter most first; four cells of 250 sentences make the 1,000 of the claims."
    def cells(steps, samplers, grids=('even', 'decided'), clamps=(True, False), firsts=(0,)):
        for first in firsts:
            for grid in grids:
                for sampler in samplers:
                    for clamp in clamps:
                        yield dict(sampler=sampler, grid=grid, clamp=clamp, steps=steps, n=250, first=first)
    best = 'ddpm', 'dpm2m-sde'
    yield from cells(16, SAMPLERS)
    yield from cells(16, ('ddpm',), ('uncertain',))
    for steps in (8, 4): yield from cells(steps, best)
    yield from cells(64, ('ddpm',), ('even',), (True,))
    yield from cells(16, ('ddpm',), ('half',), firsts=(0, 250))
    for first in (250, 500, 750):
        yield from cells(16, ('ddpm',), clamps=(True,), firsts=(first,))
        yield from cells(16, ('dpm2m-sde',), ('decided',), (True,), (first,))
        yield from cells(64, ('ddpm',), ('even',), (True,), (first,))
    yield from cells(32, best)
    for steps in (64, 128, 256): yield from cells(steps, best)
    for steps in (4, 8, 32): yield from cells(steps, ('ddim', 'dpm2m'))
    yield from cells(2000, ('ddpm',), ('even',), (True,), (0, 250, 500, 750))
    yield from cells(2000, ('ddpm',), ('even',), (False,))
    for cell in cells(64, ('ddpm',), ('even',), firsts=(0, 250, 500, 750)): yield cell | dict(precision='auto')
    for cell in cells(32, best, clamps=(True,), firsts=(0, 250, 500, 750)): yield cell | dict(precision='auto')

def table(out, grammar):
    "A row for all cells that differ in `first` alone, and one for the first of them alone where there are more."
    cells = pd.DataFrame([read_json(path) for path in sorted((out/'cells').glob('*.json'))])
    keys, rows = ['sampler', 'grid', 'clamp', 'steps', 'precision'], []
    cells['precision'] = cells.get('precision', pd.Series(index=cells.index)).fillna('fp32') # newer than most cells
    for key, group in cells.groupby(keys):
        for part in [group] if len(group) == 1 else [group[group['first'] == 0], group]:
            sentences = [text.split() for texts in part.texts for text in texts]
            rows.append(dict(zip(keys, key)) | measure(grammar, sentences) |
                        {f'{k}_a_sentence': part[k].sum()/len(sentences) for k in ('seconds', 'cpu_seconds')})
    pd.DataFrame(rows).sort_values(['n', *keys]).to_csv(out/'cells.csv', index=False, float_format='%.5g')

def main(run, out, steps=''):
    torch.set_num_threads(1)
    run, grammar, out = Run.load(run), RestaurantGrammar(0), Path(out)
    curve = decisions(run.model, grammar.corpus().ids('valid', run.model.config.seq_len)[:256])
    grids = dict(decided=(curve.mse, 0.7), half=(curve.mse, 0.35), uncertain=(curve.nats, 0.7)) # error, mix
    (out/'cells').mkdir(parents=True, exist_ok=True)
    curve.to_csv(out/'curve.csv', float_format='%.5g')
    for options in plan():
        if steps and str(options['steps']) not in steps.split(','): continue
        path = out/'cells'/('-'.join(map(str, options.values())) + '.json')
        if path.exists(): continue
        write_json(path, cell(run.model, options, grids))
        row = read_json(path)
        found = measure(grammar, [text.split() for text in row['texts']])
        shown = ('accepted', 'words', 'exact_nll', 'rule_divergence')
        print(path.stem, *(f'{k} {found.get(k, math.nan):.3f}' for k in shown), f"{row['seconds']:.1f} s", flush=True)
    table(out, grammar)
    write_json(out/'about.json', dict(
        command='python nbs/runs/steps/steps.py RUN OUT', seed=0, environment=environment(),
        training=read_json(run.dir/'config.json')['train'],
        language=dict(nats=grammar.entropy(), words=grammar.mean_length())))

if __name__ == '__main__': main(*sys.argv[1:])
