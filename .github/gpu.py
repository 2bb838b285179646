"""One sitting on a GPU: how fast a step of the paper's network is beside a plain re-statement of the authors' loop,
then as many steps as fit into the time, then what that model writes. Everything is recorded as it comes, so that a stop
loses nothing.

    python .github/gpu.py --corpus e2e --out runs/gpu --seconds 570
"""
import argparse, json, subprocess, sys, time
from dataclasses import replace
from pathlib import Path
import torch
from diffusion_anchor.bench import PlainTraining, gflop_a_step, products, timed
from diffusion_anchor.commitment import clamp_audit, commitment, embedding_health
from diffusion_anchor.control import run_control
from diffusion_anchor.fluency import Teacher, evaluate_texts, peers
from diffusion_anchor.losses import Anchor
from diffusion_anchor.sample import generate
from diffusion_anchor.targets import load_targets, make_targets
from diffusion_anchor.train import TrainConfig, environment, fit, open_corpus, pick_precision

DEVICE = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
BEGAN = time.perf_counter()


def wait():
    if DEVICE.type == 'cuda': torch.cuda.synchronize()


class Record:
    "A JSON file that is written again after every finding."
    def __init__(self, path): self.path, self.found = path, {}

    def add(self, **found):
        self.found |= found
        self.found['seconds_so_far'] = time.perf_counter() - BEGAN
        self.path.write_text(json.dumps(self.found, indent=1, ensure_ascii=False, default=float), encoding='utf-8')
        print(f"{self.found['seconds_so_far']:6.1f} s  {', '.join(found)}", flush=True)

    def attempt(self, name, stage):
        "One stage must not cost the others."
        try: self.add(**{name: stage()})
        except Exception as error: self.add(**{f'{name}_failed': f'{type(error).__name__}: {error}'[:500]})


def matmul_tflops():
    "Rate of a bf16 matrix product."
    side = products()['matrix product', 'bf16']
    side(1)
    return 1e-3 / side(1e4 if DEVICE.type == 'cuda' else 10)[0]


def restated(corpus, config, steps):
    "Seconds a step of the plain re-statement."
    torch.backends.cuda.matmul.allow_tf32 = False
    side = timed(PlainTraining(corpus, config).step)
    side(3)
    return side(steps)[0]


def ours(corpus, config, steps, fast):
    "Seconds a step of `fit`, from its own log, after a first stretch that compiles and records; and its peak memory."
    ticks, size = [], max(steps//4, 1)
    if DEVICE.type == 'cuda': torch.cuda.reset_peak_memory_stats()
    brief = replace(config, steps=steps*1000, log_every=size, eval_every=size*10**6, save_every=size*10**6)
    class Enough(Exception): pass
    def tick(step, row, model):
        ticks.append((step, time.perf_counter()))
        if step >= steps: raise Enough
    try: fit(corpus, brief, callbacks=[tick], fast=fast)
    except Enough: pass
    (s0, t0), (s1, t1) = ticks[1], ticks[-1]
    memory = torch.cuda.max_memory_allocated()/2**30 if DEVICE.type == 'cuda' else None
    return dict(s_per_step=(t1 - t0)/(s1 - s0), gib=memory)


def same_losses(corpus, config, steps=30):
    "Largest relative difference between the losses of a plain and a recorded step, dropout off."
    config = replace(config, steps=steps, log_every=1, eval_every=steps, save_every=steps,
                     model=config.model | dict(dropout=0.))
    plain, recorded = (fit(corpus, config, fast=fast).history.loss for fast in (False, DEVICE.type == 'cuda'))
    return float(((plain - recorded).abs() / plain).max())


def write(model, out, counts, n):
    "Samples by number of steps and clamp: {name: texts}."
    texts = {}
    for steps in counts:
        for clamp in (True, False):
            began, many = time.perf_counter(), n if steps <= 256 else n//5
            name = f'{steps} steps, {"clamped" if clamp else "free"}'
            texts[name] = generate(model, many, steps, clamp=clamp, seed=0, batch_size=512).texts
            print(f'  {name}: {time.perf_counter() - began:.1f} s; {texts[name][0]}', flush=True)
    for name, lines in texts.items(): # a file each: a later call must not write over an earlier one
        (out/f"samples-{name.replace(' steps, ', '-')}.txt").write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return texts


def judged(texts, corpus, teacher):
    return {name: evaluate_texts(lines, corpus, teacher).to_dict() for name, lines in texts.items()}


def steered(model, corpus, teacher, task, targets, n, **options):
    return run_control(model, task, targets, n=n, corpus=corpus, teacher=teacher, unguided=100, **options).row()


def bench(record, corpus, config, few):
    "Speed of a step: re-stated, plain and recorded; and whether the last two compute the same."
    record.attempt('matmul_tflops', matmul_tflops)
    record.attempt('tflop_a_step', lambda: gflop_a_step(corpus, config) / 1e3)
    record.attempt('restated_s_per_step', lambda: restated(corpus, config, max(few//8, 2)))
    torch.set_float32_matmul_precision('high')
    record.attempt('plain', lambda: ours(corpus, config, max(few//2, 4), False))
    if DEVICE.type == 'cuda': record.attempt('recorded', lambda: ours(corpus, config, 2*few, True))
    record.attempt('largest_relative_difference', lambda: same_losses(corpus, config))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--corpus', default='e2e', help='e2e, a folder of E2E files, grammar, or a pickled corpus')
    parser.add_argument('--preset', default='paper')
    parser.add_argument('--out', default='runs/gpu')
    parser.add_argument('--seconds', type=float, default=570., help='for everything')
    parser.add_argument('--train-until', type=float, default=390., help='seconds after the start when training stops')
    parser.add_argument('--bench-steps', type=int, default=200)
    parser.add_argument('--targets', default=None, help='file of semantic targets')
    parser.add_argument('--anchor', type=float, default=None, help='λ of the anchor; leaves the benchmark out')
    parser.add_argument('--local', type=int, default=None, help='reach of local attention; leaves the benchmark out')
    parser.add_argument('--steps', type=int, default=None, help='training steps; otherwise as many as fit')
    parser.add_argument('--teacher', default=None, help='directory of a teacher; otherwise one is trained beside')
    parser.add_argument('--small', action='store_true', help='a tiny network and few samples: does the script run?')
    parser.add_argument('--teach', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.corpus.endswith('.pkl'):
        import pickle # our own file
        corpus = pickle.loads(Path(args.corpus).read_bytes())
    else: corpus = open_corpus(args.corpus)
    out = Path(args.out); out.mkdir(parents=True, exist_ok=True)
    if args.teach: Teacher.train(corpus, epochs=1 if args.small else 4, progress=False).save(out/'teacher'); return
    teaching = None if args.teacher else subprocess.Popen([sys.executable, __file__, *sys.argv[1:], '--teach'])
    small = dict(hidden=32, layers=2, heads=2, seq_len=64) if args.small else {}
    if args.local: small |= dict(local=args.local)
    config, record = TrainConfig.preset(args.preset, model=small), Record(out/'record.json')
    n, sampling = (20, 4) if args.small else (500, 200)
    config = replace(config, anchor=None if args.anchor is None else Anchor(args.anchor))
    record.add(command=' '.join(['python .github/gpu.py', *sys.argv[1:]]), environment=environment(),
               precision=pick_precision(config.precision, DEVICE),
               anchor=config.anchor.label if config.anchor else 'none', local=args.local)
    if args.anchor is None and not args.local: bench(record, corpus, config, 4 if args.small else args.bench_steps)
    torch.set_float32_matmul_precision('high')
    fast = DEVICE.type == 'cuda' and record.found.get('largest_relative_difference', 0) < 2e-2
    left = args.train_until - (time.perf_counter() - BEGAN)
    steps, every = args.steps or 40, 10 if args.small else 200
    if not args.steps and not args.small:
        rate = record.found['recorded' if fast else 'plain']['s_per_step']
        steps = max(int(0.93 * left / rate) // 1000 * 1000, 1000)
    look = max(steps//10//every*every, every)
    config = replace(config, steps=steps, log_every=every, eval_every=look, save_every=10**6*every)
    record.add(steps=steps, fast=fast)
    run = fit(corpus, config, None, fast=fast, time_limit=left + 20)
    run.history.to_csv(out/'history.csv', index=False)
    last = run.history.iloc[-1].to_dict()
    record.add(trained_steps=int(last['step']), last=last, train_until=time.perf_counter() - BEGAN)
    model, ids = run.model, corpus.ids('valid', run.model.config.seq_len)[:256]
    texts = write(model, out, (16, 32, 64, 200) if not args.small else (4,), n)
    record.attempt('commitment', lambda: commitment(model, ids).to_dict('records'))
    audit = lambda: clamp_audit(model, 8 if args.small else 200, steps=4 if args.small else 64).table.to_dict('index')
    record.attempt('clamp_audit', audit)
    record.attempt('embedding_health', lambda: embedding_health(model))
    if teaching: teaching.wait()
    if (where := Path(args.teacher or out/'teacher')).exists():
        teacher = Teacher.load(where); teacher.model.to(DEVICE)
        if teaching: subprocess.run(['tar', '-cf', out/'teacher.tar', '-C', out, 'teacher'], check=False)
    else: teacher = None
    record.attempt('texts', lambda: judged(texts, corpus, teacher))
    record.attempt('peers', lambda: judged(peers(corpus, teacher, n), corpus, teacher))
    if args.targets:
        wishes, each = load_targets(args.targets), max(n//25, 2)
        record.attempt('semantic', lambda: steered(model, corpus, teacher, 'semantic', wishes, each, steps=sampling))
    lengths = make_targets(corpus, 'length', 16)
    record.attempt('length', lambda: steered(model, corpus, teacher, 'length', lengths, max(n//50, 2), steps=sampling))
    if time.perf_counter() - BEGAN < args.seconds - 100:
        record.attempt('more texts', lambda: judged(write(model, out, (1000,), n) | texts, corpus, teacher))


if __name__ == '__main__': main()
