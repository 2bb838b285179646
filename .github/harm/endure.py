"""A long run is killed (SIGKILL) every few minutes and started again; its memory stays flat, each step is done once.

    E2E_DIR=… python .github/harm/endure.py --minutes 120 --every 5 --preset e2e-cpu    # without E2E_DIR: the grammar

Of each life of the run nbs/runs/harm/endure.json has the steps, and the memory (RSS) as many steps after its start as
after every other's. « detected » counts kills after which the newest checkpoint was sound, less than `save_every` steps
old, and what the next life went on from. At the end the history must have each of its steps once; with --compare the
weights must be those, to the last bit, of a run that was never stopped.
"""
import argparse, json, multiprocessing, os, random, shutil, tempfile, time
from pathlib import Path
from statistics import median
import psutil
from common import RUNS, newest, weights
from diffusion_anchor.basics import environment, write_json
from diffusion_anchor.train import Run, TrainConfig, fit, open_corpus


class Stop(Exception): pass


def life(corpus, config, folder, told):
    "Go on with the run; a line for each row of the history: step, MB."
    def tell(step, row, ema):
        with told.open('a') as file: file.write(json.dumps([step, psutil.Process().memory_info().rss/1e6]) + '\n')
    fit(corpus, config, folder, callbacks=[tell])


def one_life(corpus, config, folder, seconds):
    "Start it, kill it after so many seconds unless it is complete; the entry of the record."
    began, start = time.monotonic(), newest(folder)[0]
    with tempfile.TemporaryDirectory() as tmp:
        told = Path(tmp)/'told'
        process = multiprocessing.get_context('fork').Process(target=life, args=(corpus, config, folder, told))
        process.start()
        process.join(seconds)
        process.kill()
        process.join()
        rows = [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []
    early = next((mb for step, mb in rows if step >= start + 2*config.log_every), None)
    sound, damaged = newest(folder)
    return dict(start=start, told_first=rows[0][0] if rows else None, told_last=rows[-1][0] if rows else start,
                checkpoint=sound, damaged=damaged, early_mb=early, late_mb=rows[-1][1] if rows else None,
                seconds=round(time.monotonic() - began), code=process.exitcode)


def good(entry, config):
    "Whether nothing was lost: it went on from its start, and kept all but what no save had ended for."
    first = entry['told_first']
    went_on = first is None or first == (1 if not entry['start'] else entry['start'] + config.log_every)
    return went_on and not entry['damaged'] and entry['told_last'] - entry['checkpoint'] <= config.save_every


def hash_at(corpus, config, last):
    "Of the weights after `last` steps of a run that nothing happens to."
    found = []
    def look(step, row, ema):
        if step == last: found.append(weights(ema)); raise Stop
    try: fit(corpus, config, callbacks=[look])
    except Stop: pass
    return found[0]


def verdict(corpus, config, folder, lives, compare):
    "What the folder shows at the end."
    run, early = Run.load(folder), [entry['early_mb'] for entry in lives if entry['early_mb']]
    steps, last = run.history.step.tolist(), int(run.history.step.iloc[-1])
    once = steps == [1] + list(range(config.log_every, last + 1, config.log_every))
    spread = lambda mb: round(max(mb)/min(mb) - 1, 4) if mb else None
    onward = [entry['early_mb'] for entry in lives if entry['early_mb'] and entry['start']] # read a checkpoint first
    third = len(onward) // 3 # whether it grows
    trend = round(median(onward[-third:])/median(onward[:third]) - 1, 4) if third else None
    same = hash_at(corpus, config, last) == weights(run.model) if compare else None
    about = dict(each_step_once=once, memory_spread=spread(early), memory_spread_onward=spread(onward),
                 memory_trend_onward=trend, same_weights=same)
    return dict(completed=last == config.steps, steps=last) | about


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument('--minutes', type=float, default=120.)
    options.add_argument('--every', type=float, default=5., help='minutes between kills, on average')
    options.add_argument('--preset', default='e2e-cpu')
    options.add_argument('--steps', type=int, help='instead of the preset\'s')
    options.add_argument('--save_every', type=int, default=100)
    options.add_argument('--compare', action='store_true', help='with a run that is never stopped, at the end')
    options.add_argument('--seed', type=int, default=0)
    options.add_argument('--out', type=Path, default=RUNS/'endure.json')
    args = options.parse_args()
    corpus = open_corpus(os.environ.get('E2E_DIR', 'grammar'))
    config = TrainConfig.preset(args.preset, log_every=10, save_every=args.save_every,
                                **(dict(steps=args.steps) if args.steps else {}))
    given = ' '.join(f'--{k} {v}' for k, v in vars(args).items() if k not in ('out', 'compare') and v is not None)
    record = dict(command=f"python .github/harm/endure.py {given}{' --compare'*args.compare}", corpus=corpus.name,
                  tried=0, detected=0, silent=0, foreign=0, minutes=0., lives=[], environment=environment())
    home, dice, began = Path(tempfile.mkdtemp()), random.Random(args.seed), time.monotonic()
    while (left := 60*args.minutes - (time.monotonic() - began)) > 0:
        entry = one_life(corpus, config, home/'run', min(left, 60*args.every*dice.uniform(0.5, 1.5)))
        record['lives'].append(entry)
        record['tried'] += 1
        outcome = 'detected' if good(entry, config) else 'silent'
        record[outcome if entry['code'] in (0, -9) else 'foreign'] += 1
        record['minutes'] = round((time.monotonic() - began)/60, 2)
        print(entry, flush=True)
        write_json(args.out, record)
        if entry['code'] == 0: break
    write_json(args.out, record | verdict(corpus, config, home/'run', record['lives'], args.compare))
    shutil.rmtree(home)


if __name__ == '__main__': main()
