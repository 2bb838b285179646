"""Trials for a cure: which training and which sampler write whole sentences on the restaurant grammar.

python .github/cure.py train name=words predict=words ...   trains, saves to OUT/name, evaluates with the default sampler
python .github/cure.py sample model=words say=mean,draw ... evaluates one model; comma lists are tried in every combination
python .github/cure.py exposure model=words                 held-out error on the sampler's own states beside fresh ones
Each evaluation is a line of nbs/runs/cure/trials.jsonl.
"""
import ast, copy, itertools, json, math, os, sys, time
from collections import Counter, defaultdict
from pathlib import Path
import numpy as np, torch, torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)
from diffusion_anchor.basics import environment
from diffusion_anchor.data import PAD
from diffusion_anchor.fluency import bigram_divergence
from diffusion_anchor.grammar import RestaurantGrammar
from diffusion_anchor.losses import diffusion_loss
from diffusion_anchor.model import DiffusionLM, DiffusionLMConfig, time_features, _sdpa
from transformers import AttentionInterface
from diffusion_anchor.train import (TrainConfig, batch_rows, draw_known, draw_times, lr_factor, make_optimizers, orthogonal,
                                    mirror_start, open_corpus, update_ema, _autocast, pick_precision)
OUT, LOG = Path(os.environ.get('CURE_OUT', 'runs/cure')), Path(__file__).parents[1]/'nbs/runs/cure'

# --- the network -----------------------------------------------------------------------------------------------------
DEFAULT = dict(predict='x0', head='tied', norm=0., trust=0., token_time=False, feed='x0', rope=0., position_std=2.)

_TURNS = {}
def turned(x, base):
    "Rotary positions (Su et al. 2021) for queries or keys [B, H, T, k]: their product then depends on how far apart two places are."
    T, k = x.shape[-2:]
    if (T, k, base) not in _TURNS:
        angles = torch.arange(T)[:, None] * base ** -(torch.arange(k//2) / (k//2))
        _TURNS[T, k, base] = torch.cat([angles.cos()]*2, -1), torch.cat([-angles.sin(), angles.sin()], -1)
    cos, sin = (v.to(x.dtype) for v in _TURNS[T, k, base])
    return x * cos + x.roll(k//2, -1) * sin

def rope_attention(module, query, key, value, *args, **kwargs):
    base = module.config.rope_base
    return _sdpa(module, turned(query, base), turned(key, base), value, *args, **kwargs)
AttentionInterface.register('cure_rope', rope_attention)


class Net(DiffusionLM):
    "A DiffusionLM that may predict words: x̂₀ = Σ p(w|x_t) EMB(w)."
    def __init__(self, config, vocab, **how):
        super().__init__(config, vocab)
        self.how = DEFAULT | how
        if self.how['rope']:                       # one config for all layers
            shared = self.input_transformers.layer[0].attention.self.config
            shared.rope_base, shared._attn_implementation = self.how['rope'], 'cure_rope'
            for layer in self.input_transformers.layer: layer.attention.self.config = shared
        if self.how['head'] == 'both':             # a second, untied way from the encoder to the words, silent at first
            self.words_head = nn.Linear(config.hidden, config.vocab_size, bias=False); nn.init.zeros_(self.words_head.weight)
        if self.how['trust']: self.trust = nn.Parameter(torch.tensor(0.)) # how far x_t's own likelihood is believed

    def body(self, x_t, t, x0_prev=None):
        "Hidden states [B, T, h]; t may be [B, T]."
        t = torch.as_tensor(t, device=x_t.device)
        t = t.expand(len(x_t)) if t.dim() < 2 else t
        x_in = torch.cat([x_t, torch.zeros_like(x_t) if x0_prev is None else x0_prev], -1) if self.config.self_condition else x_t
        time = self.time_embed(time_features(t.flatten() * (1000 / self.config.diffusion_steps)).to(x_t.dtype))
        time = time.view(*t.shape, -1) if t.dim() == 2 else time[:, None]
        h = self.input_up_proj(x_in) + self.position_embeddings.weight[:x_t.shape[1]] + time
        return self.input_transformers(self.dropout(self.LayerNorm(h))).last_hidden_state

    def say(self, x_t, t, x0_prev=None):
        "(x̂₀ [B, T, d], logits of words [B, T, V])."
        h = self.body(x_t, t, x0_prev)
        if self.how['predict'] == 'x0':
            x0_hat = self.output_down_proj(h).to(x_t.dtype)
            return x0_hat, self.logits(x0_hat)
        z = self.lm_head(self.output_down_proj(h)).float()
        if self.how['rope']:                       # one config for all layers
            shared = self.input_transformers.layer[0].attention.self.config
            shared.rope_base, shared._attn_implementation = self.how['rope'], 'cure_rope'
            for layer in self.input_transformers.layer: layer.attention.self.config = shared
        if self.how['head'] == 'both': z = z + self.words_head(h).float()
        if self.how['trust']: z = z + torch.tanh(self.trust) * self.likelihood(x_t, t)
        return z.softmax(-1) @ self.word_embedding.weight, z

    def likelihood(self, x_t, t):
        ab = self.schedule.alpha_bar[torch.as_tensor(t).long().cpu()].to(x_t)
        ab = ab.view(-1, 1, 1) if ab.dim() < 2 else ab[..., None]
        table, s0 = self.word_embedding.weight, 1 - self.schedule.alpha_bar[0].item()
        return (ab.sqrt() * x_t @ table.T - ab * table.pow(2).sum(-1) / 2) / (ab*s0 + 1 - ab)

    def forward(self, x_t, t, x0_prev=None): return self.say(x_t, t, x0_prev)[0]

    @torch.no_grad()
    def renorm(self):
        if self.how['norm']: self.word_embedding.weight.mul_(self.how['norm'] / self.word_embedding.weight.norm(dim=-1, keepdim=True))

def load(name, corpus):
    folder = OUT/name
    if (folder/'net.pt').exists():
        saved = torch.load(folder/'net.pt', weights_only=False)
        net = Net(DiffusionLMConfig(**saved['config']), corpus.vocab, **saved['how']); net.load_state_dict(saved['state'])
        return net.eval(), saved['about']
    plain = DiffusionLM.from_pretrained(folder)
    net = Net(plain.config, corpus.vocab); net.load_state_dict(plain.state_dict())
    return net.eval(), dict(name=name)

class FastMuon(torch.optim.Muon):
    "The same iteration, matrices of one shape together."
    def __init__(self, params, lr, weight_decay=0., ns_steps=3): super().__init__(params, lr=lr, weight_decay=0., ns_steps=ns_steps)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = defaultdict(list)
            for p in group['params']: shapes[p.shape].append(p)
            for (m, n), alike in shapes.items():
                grads = torch.stack([p.grad for p in alike])
                mean = self.state[alike[0]].setdefault('means', torch.zeros_like(grads)).lerp_(grads, 1 - group['momentum'])
                update = orthogonal(grads.lerp_(mean, group['momentum']).bfloat16(), group['ns_steps']).to(grads.dtype)
                torch._foreach_add_(alike, list(update), alpha=-group['lr'] * max(1, m/n)**0.5)

# --- training --------------------------------------------------------------------------------------------------------
TRAIN = dict(name=None, steps=8000, seed=0, batch=32, lr=5e-3, muon_lr=0.01, times='noisier', known=1., warmup=50, ema=0.999,
             own=0., own_steps=1, own_reach=2., own_say='mean', ce=1., mse=0., tw=0., coin=0.5, smooth=0., schedule='sqrt', known_loss=1.,
             hidden=128, layers=3, time_low=0., T=2000, decay='linear', init='', start=0, save=(), fast=True, mix='', finetune=0)

def moved(schedule, x0_hat, x_t, t, s, noise):
    "x_s ~ q(x_s | x_t, x̂₀) for timesteps [B] each, s <= t."
    ab = torch.cat([schedule.alpha_bar, torch.ones(1, dtype=torch.float64)])
    at, as_ = (ab[v].to(x_t).view(-1, 1, 1) for v in (t, s))
    beta = (1 - at/as_).clamp_min(0)
    mean = as_.sqrt() * beta / (1-at) * x0_hat + (1-beta).sqrt() * (1-as_) / (1-at) * x_t
    return mean + (beta * (1-as_) / (1-at)).sqrt() * noise

def word_points(net, z, how, x0_hat):
    "What stands for x̂₀ in a step: the mean, a drawn word, or the nearest word."
    if how == 'mean': return x0_hat
    if how == 'near': return net.embed(net.nearest(x0_hat)[0])
    if how == 'draw': return net.embed(torch.distributions.Categorical(logits=z).sample())
    raise ValueError(how)

def own_states(net, x0, t, noise, known, how):
    "x_t made by the network itself from a state a few sampling steps noisier; also its last guess."
    T, k = net.schedule.steps, how['own_steps']
    k = 1 + int(torch.randint(0, k, (1,))) if k > 1 else 1
    gap = (torch.rand(len(t)) * how['own_reach'] * T / 32).long() + 1
    s = (t + gap * k).clamp_max(T - 1)
    keep = lambda x: x if known is None else torch.where(known[..., None], x0, x)
    x, guess = keep(net.schedule.q_sample(x0, s, noise)), None
    for i in range(k):
        guess, z = net.say(x, net_time(net, s, known), guess)
        to = torch.maximum(t, s - gap) if i < k - 1 else t
        point = word_points(net, z, how['own_say'], guess)
        x = keep(moved(net.schedule, point, x, s, to, torch.randn_like(x)))
        s = to
    return x, guess

def net_time(net, t, known):
    return torch.where(known, 0, t[:, None]) if net.how['token_time'] and known is not None else t

def loss_of(net, ids, t, how, coin):
    known = draw_known(len(ids), ids.shape[1], how['known']) if how['known'] else None
    emb = net.embed(ids)
    noise, x0_noise = torch.randn(2, *emb.shape)
    s0 = (1 - net.schedule.alpha_bar[0].item())**0.5
    x0 = emb + s0 * x0_noise
    x_t, guess = net.schedule.q_sample(x0, t, noise), None
    if known is not None: x_t = torch.where(known[..., None], x0, x_t)
    if coin < how['coin']:
        with torch.no_grad():
            if torch.rand(()) < how['own']: x_t, guess = own_states(net, x0, t, noise, known, how)
            else: guess = net(x_t, net_time(net, t, known))
    x0_hat, z = net.say(x_t, net_time(net, t, known), guess)
    target = torch.where((t == 0)[:, None, None], emb, x0)
    mse = (target - x0_hat).pow(2).mean((1, 2))
    spell = F.cross_entropy(net.logits(x0).float().transpose(1, 2), ids)
    if net.how['predict'] == 'x0': return (mse + 0).mean() + spell + (how['ce'] if how['ce'] != 1 else 0) * F.cross_entropy(z.transpose(1, 2), ids), mse.mean(), spell
    each = F.cross_entropy(z.transpose(1, 2), ids, reduction='none', label_smoothing=how['smooth'])
    if known is not None and how['known_loss'] != 1: each = torch.where(known, how['known_loss'] * each, each)
    ce = each.mean(1)
    w = 1 if not how['tw'] else ((1 - net.schedule.alpha_bar[t]).float().clamp_min(1e-3) ** -how['tw'])
    return (w * ce).mean() * how['ce'] + how['mse'] * mse.mean() + (0 if not how['mse'] else 1) * spell, mse.mean(), ce.mean()

def curve_times(curve, even=0.3):
    "Inverse distribution of t: density in proportion to the rise of the held-out cross-entropy, mixed with even."
    t, c = np.array(curve['t'], float), np.maximum.accumulate(np.array(curve['ce']))
    share = (1-even) * (c - c[0]) / (c[-1] - c[0]) + even * t / t[-1]
    return lambda u: np.interp(u, share, t)

def times_of(n, T, how):
    if how.startswith('curve'):                    # curve:NAME:even
        _, name, even = how.split(':')
        u = (torch.randperm(n) + torch.rand(n)).numpy() / n
        return torch.from_numpy(curve_times(json.loads((OUT/name/'curve.json').read_text()), float(even))(u)).long().clamp(0, T-1)
    return draw_times(n, T, how)

def train(corpus, **args):
    how = TRAIN | {k: v for k, v in args.items() if k in TRAIN}
    shape = DEFAULT | {k: v for k, v in args.items() if k in DEFAULT}
    if unknown := set(args) - set(TRAIN) - set(DEFAULT): raise SystemExit(f'unknown {unknown}')
    config = TrainConfig.preset('toy', steps=how['steps'], seed=how['seed'], batch_size=how['batch'], lr=how['lr'], muon_lr=how['muon_lr'],
                                warmup=how['warmup'], ema=how['ema'], model=dict(schedule=how['schedule'], diffusion_steps=how['T'], hidden=how['hidden'], layers=how['layers']))
    torch.manual_seed(how['seed'])
    net = Net(DiffusionLMConfig(len(corpus.vocab), **config.model), corpus.vocab, **shape)
    net.position_embeddings.weight.data *= shape['position_std']
    mirror_start(net); net.renorm()
    if how['init']: print(net.load_state_dict(load(how['init'], corpus)[0].state_dict(), strict=False), flush=True) # weights of a trunk at step `start`
    ema = copy.deepcopy(net).eval().requires_grad_(False)
    optimizers = make_optimizers(net, config)
    if how['fast']: optimizers[0] = FastMuon(optimizers[0].param_groups[0]['params'], lr=config.muon_lr)
    groups = [g for o in optimizers for g in o.param_groups]; full = [g['lr'] for g in groups]
    rows, precision, began, T = corpus.ids('train', 32), pick_precision('auto', torch.device('cpu')), time.perf_counter(), how['T']
    net.train(); seen = []
    for step in range(how['start'], how['steps']):
        torch.manual_seed(how['seed']*1_000_003 + step)
        ids = rows[batch_rows(len(rows), step, how['batch'], how['seed'])]
        t = times_of(len(ids), T, how['times'])
        coin = torch.rand(()).item()
        with _autocast(precision, torch.device('cpu')): loss, mse, ce = loss_of(net, ids, t, how, coin)
        loss.backward()
        for g, lr in zip(groups, full): g['lr'] = lr * lr_factor(step, config)
        for o in optimizers: o.step(); o.zero_grad()
        net.renorm(); update_ema(ema, net, step, config.ema); ema.renorm()
        if step + 1 in how['save']: (OUT/how['name']).mkdir(exist_ok=True); torch.save(net.state_dict(), OUT/how['name']/f'raw{step+1}.pt')
        seen.append([loss.item(), mse.item(), ce.item()])
        if (step+1) % 500 == 0:
            print(step+1, f'{time.perf_counter()-began:.0f}s', *(f'{v:.4f}' for v in np.mean(seen[-500:], 0)), flush=True)
            if not math.isfinite(seen[-1][0]): raise SystemExit('diverged')
    seconds = time.perf_counter() - began
    folder = OUT/how['name']; folder.mkdir(parents=True, exist_ok=True)
    about = dict(train=how, net=shape, seconds=round(seconds), parameters=sum(p.numel() for p in net.parameters()))
    torch.save(dict(state=ema.state_dict(), config=vars(ema.config), how=shape, about=about), folder/'net.pt')
    print('trained', how['name'], round(seconds), flush=True)
    return ema, about

# --- sampling --------------------------------------------------------------------------------------------------------
SAMPLE = dict(n=500, steps=32, seed=0, say='mean', grid='even', sc='last', shift=0, temp=1., eta=1., back=None, back_say='near',
              order=None, hold_from=1.0, top=1.0, ends='logits', say_below=2000, power=1., redo=0, redo_t=0, start_t=1999, feed='mean', multi=0., solver='ddpm', multi_below=2000)

def grid_of(net, name, steps, curve, top=None):
    T = net.schedule.steps
    if name == 'even': return [int(v) for v in np.linspace(T-1, 0, steps).round()]
    even = float(name.split(':')[1])               # decided:0.3
    times = np.interp(np.linspace(1, 0, steps), *_inverse(curve, even)).round().astype(int)
    times[0] = T - 1
    for i in range(1, steps): times[i] = min(times[i], times[i-1] - 1)
    return [int(v) for v in np.maximum(times, np.arange(steps)[::-1])]

def _inverse(curve, even):
    t, c = np.array(curve['t'], float), np.maximum.accumulate(np.array(curve['ce']))
    return (1-even) * (c - c[0]) / (c[-1] - c[0]) + even * t / t[-1], t

@torch.no_grad()
def walk(net, n, how, curve, rows=0):
    "Ids [n, T] by one of the samplers; calls of the network."
    g = torch.Generator().manual_seed(how['seed']*1000 + rows)
    torch.manual_seed(how['seed']*1000 + rows)
    L, d, T = net.config.seq_len, net.config.emb_dim, net.schedule.steps
    ab = lambda t: 1. if t < 0 else net.schedule.alpha_bar[t].item()
    draw = lambda: torch.randn(n, L, d, generator=g)
    legs = [grid_of(net, how['grid'], how['steps'], curve)]
    for t_up, k in how['back'] or []: legs.append([int(v) for v in np.linspace(t_up, 0, k).round()])
    x, guess, calls = draw(), None, 0
    held, words = torch.zeros(n, L, dtype=torch.bool), torch.zeros(n, L, dtype=torch.long)
    for number, times in enumerate(legs):
        if number:                                 # go back: the draft's words, noised to the leg's first t
            point = net.embed(ids) if how['back_say'] == 'near' else x0_hat
            x, guess = net.schedule.q_sample(point, times[0], draw()), (guess if how['sc'] == 'last' else None)
            held[:] = False
        for step, (t, s) in enumerate(zip(times, times[1:] + [-1])):
            told = min(T-1, t + how['shift']) if s >= 0 else t
            tt = torch.where(held, 0, told) if net.how['token_time'] else told
            if how['sc'] == 'fresh': guess = net(x, tt); calls += 1
            if how['sc'] == 'again': guess = net(x, tt, guess); calls += 1
            x0_hat, z = net.say(x, tt, None if how['sc'] == 'none' else guess); calls += 1
            guess = x0_hat
            z = z / how['temp']
            if how['top'] < 1: z = nucleus(z, how['top'])
            if how['temp'] != 1 and net.how['predict'] == 'words': x0_hat = z.softmax(-1) @ net.word_embedding.weight
            point = word_points(net, z, how['say'] if t < how['say_below'] else 'mean', x0_hat)
            if how['feed'] == 'point': guess = point
            lam = lambda v: math.log(max(ab(v), 1e-12) / max(1 - ab(v), 1e-12)) / 2
            now = point
            if how['multi'] and step and s >= 0 and t < how['multi_below']: # second order (Lu et al. 2022): where x̂₀ is heading
                point = point + how['multi'] / 2 * (lam(s) - lam(t)) / (lam(t) - lam(times[step-1])) * (point - last)
            last = now
            if how['order']: held, words = decide(net, z, held, words, (step+1)/len(times), how)
            beta = 1 - ab(t)/ab(s)
            mean = ab(s)**.5 * beta / (1-ab(t)) * point + (1-beta)**.5 * (1-ab(s)) / (1-ab(t)) * x
            noise = draw()
            var = beta * (1-ab(s)) / (1-ab(t))
            if how['solver'] == 'ddim' and s >= 0:
                var = how['eta']**2 * var
                mean = ab(s)**.5 * point + max(1 - ab(s) - var, 0)**.5 * (x - ab(t)**.5 * point) / (1-ab(t))**.5
            x = mean + var**.5 * noise if s >= 0 else point
            if how['order']: x = torch.where(held[..., None], net.embed(words), x)
        ids = words if how['order'] else net.nearest(x)[0] if net.how['predict'] == 'words' else net.logits(x).argmax(-1)
    return ids, calls

def nucleus(z, top):
    p, order = z.softmax(-1).sort(-1, descending=True)
    cut = torch.zeros_like(z, dtype=torch.bool).scatter(-1, order, p.cumsum(-1) - p > top)
    return z.masked_fill(cut, -1e9)

def decide(net, z, held, words, done, how):
    "Draw more words for good: the surest undecided ones, from the left, or at random, so that a share `done` of the positions is held."
    n, L = held.shape
    want = L if done >= 1 else int(round(L * max(0., (done - (1-how['hold_from'])) / how['hold_from']) ** how['power']))
    new = torch.distributions.Categorical(logits=z).sample()
    p = z.softmax(-1)
    score = {'sure': (p * p.clamp_min(1e-9).log()).sum(-1), 'left': -torch.arange(L).expand(n, L).float(), 'random': torch.rand(n, L),
             'drawn': p.gather(-1, new[..., None])[..., 0]}[how['order']].masked_fill(held, math.inf)
    take = torch.zeros_like(held).scatter(1, score.topk(want, 1).indices, True) if want else torch.zeros_like(held)
    words = torch.where(take & ~held, new, words)
    return held | take, words

# --- measuring -------------------------------------------------------------------------------------------------------
def rule_counts(grammar, derivations):
    counts = defaultdict(Counter)
    def visit(node):
        symbol, kids = node
        if symbol in grammar.word: return
        counts[symbol][tuple(k[0] for k in kids)] += 1
        for k in kids: visit(k)
    for d in derivations: visit(d)
    return counts

def rule_divergence(grammar, derivations):
    "Nats a sentence: over left sides, uses × KL(shares ‖ probabilities)."
    total = 0.
    for symbol, c in rule_counts(grammar, derivations).items():
        logp = {rhs: lp for lp, rhs in grammar.rules[symbol]}
        n = sum(c.values())
        total += sum(k * (math.log(k/n) - logp[rhs]) for rhs, k in c.items())
    return total / max(len(derivations), 1)

_TRUE = {}
def true_divergence(grammar, m):
    m = int(round(m, -1)) or 10
    if m not in _TRUE: _TRUE[m] = float(np.mean([rule_divergence(grammar, [g._grow('S') for _ in range(m)]) for s in range(5) for g in [grammar.fresh(s)]]))
    return _TRUE[m]

def score(corpus, ids):
    g, words = corpus.grammar, [corpus.vocab.sentence(row) for row in ids]
    found = [g.derivations(w) for w in words]
    ok = [f[0] for f in found if f]
    n, a, texts = len(words), len(ok), [' '.join(w) for w in words]
    nll = np.array([-p for p, _ in ok])
    train = {' '.join(e.words) for e in corpus.train}
    r = lambda v, k=3: round(float(v), k)
    return dict(accepted=r(a/n, 4), se=r((a/n*(1-a/n)/n)**.5, 4), words=r(np.mean([len(w) for w in words]), 2), words_se=r(np.std([len(w) for w in words])/n**.5, 2),
                words_accepted=r(np.mean([len(w) for w, f in zip(words, found) if f]), 2) if a else None,
                nll=r(nll.mean(), 2) if a else None, nll_se=r(nll.std()/a**.5, 2) if a else None, entropy=r(g.entropy(), 2),
                rules=r(rule_divergence(g, [d for _, d in ok])), rules_true=r(true_divergence(g, a)),
                bigrams=r(bigram_divergence(words, [e.words for e in corpus.valid]), 4), unique=r(len(set(texts))/n), copied=r(np.mean([t in train for t in texts])))

def noised(net, ids, t, rng, two=True):
    emb, draw = net.embed(ids), lambda: torch.randn(*ids.shape, net.config.emb_dim, generator=rng)
    x = net.schedule.q_sample(emb + (1 - net.schedule.alpha_bar[0].item())**.5 * draw(), t, draw())
    return x, net.say(x, t, net(x, t) if two else None)

@torch.no_grad()
def curve_of(net, corpus, n=200):
    "Held-out cross-entropy, right words and relative distance by t (words only)."
    ids, rng, out = corpus.ids('valid', 32)[:n], torch.Generator().manual_seed(0), defaultdict(list)
    gap = torch.cdist(net.word_embedding.weight, net.word_embedding.weight).fill_diagonal_(math.inf).min(1).values
    keep, T = ids != PAD, net.schedule.steps
    for t in np.linspace(0, T-1, 33).round().astype(int):
        _, (x0, z) = noised(net, ids, int(t), rng)
        near, dist = net.nearest(x0)
        out['t'].append(int(t)); out['ce'].append(F.cross_entropy(z.transpose(1, 2), ids, reduction='none').mean().item())
        out['right'].append((near == ids)[keep].float().mean().item()); out['relative'].append((dist / (gap[near]/2))[keep].mean().item())
    return dict(out)

@torch.no_grad()
def lost(net, corpus, n=400):
    "Words (seen at least 5 times) recognised less than half of the time under little noise."
    ids, rng = corpus.ids('valid', 32)[:n], torch.Generator().manual_seed(1)
    _, (x0, z) = noised(net, ids, net.schedule.steps//20, rng)
    near, bad = net.nearest(x0)[0], []
    for w in range(4, len(corpus.vocab)):
        at = ids == w
        if at.sum() >= 5 and (near[at] == w).float().mean() < 0.5: bad.append(corpus.vocab.itos[w])
    return bad

def curve_for(net, name, corpus):
    f = OUT/name/'curve.json'
    if not f.exists(): f.write_text(json.dumps(curve_of(net, corpus)))
    return json.loads(f.read_text())

def evaluate(net, about, name, corpus, **args):
    if unknown := set(args) - set(SAMPLE): raise SystemExit(f'unknown {unknown}')
    how, curve, began = SAMPLE | args, curve_for(net, name, corpus), time.perf_counter()
    ids, calls = [], 0
    for i in range(0, how['n'], 250):
        got, calls = walk(net, min(250, how['n'] - i), how, curve, i); ids.append(got)
    ids = torch.cat(ids); seconds = time.perf_counter() - began
    row = dict(model=name, sample={k: v for k, v in how.items() if v != SAMPLE[k] or k in ('n', 'steps', 'seed', 'say')}, calls=calls, **score(corpus, ids), seconds=round(seconds, 1))
    with open(LOG/'trials.jsonl', 'a') as f: f.write(json.dumps(row, ensure_ascii=False) + '\n')
    changed = {k: v for k, v in args.items()}
    print(f"{name:14} {row['accepted']*100:5.1f}±{row['se']*100:.1f}  words {row['words']:.2f}  nll {row['nll']} ({row['entropy']})  rules {row['rules']} ({row['rules_true']})  bi {row['bigrams']}  calls {calls} {seconds:.0f}s  {changed}", flush=True)
    return ids, row

def describe(net, about, name, corpus):
    "One line on the model itself, into models.jsonl."
    c = curve_for(net, name, corpus); at = lambda k, s: round(float(np.interp(s * c['t'][-1], c['t'], c[k])), 4)
    env = environment()
    row = dict(model=name, about=about, relative_half=at('relative', .5), right_quarter=at('right', .25), right_half=at('right', .5), right_3quarters=at('right', .75),
               ce={s: at('ce', s) for s in (.25, .5, .625, .75, .875, 1.)}, lost=lost(net, corpus), environment={k: env[k] for k in list(env)[:8]})
    with open(LOG/'models.jsonl', 'a') as f: f.write(json.dumps(row, ensure_ascii=False) + '\n')
    print(json.dumps({k: v for k, v in row.items() if k not in ('about', 'environment')}, ensure_ascii=False), flush=True)

@torch.no_grad()
def exposure(net, name, corpus, k=4, steps=32, say='mean', n=250, seed=0, spread=None):
    "Cross-entropy of the true words at t on states walked down k steps from real sentences noised, beside fresh states of the same t."
    ids, rng = corpus.ids('valid', 32)[:n], torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    times = [int(v) for v in np.linspace(net.schedule.steps-1, 0, steps).round()]
    keep, rows = ids != PAD, []
    entropy = lambda z: -(z.softmax(-1) * z.log_softmax(-1)).sum(-1)[keep].mean().item() # an exact walk leaves this as it is on fresh states
    ce = lambda z: F.cross_entropy(z.transpose(1, 2), ids, reduction='none')[keep].mean().item()
    for at in [a for a in (6, 8, 10, 12, 14, 16, 20, 24) if a >= k]:
        x, (guess, z) = noised(net, ids, times[at-k], rng)
        for i in range(at-k, at):
            point = word_points(net, z, say, guess)
            tt, ss = (torch.full((len(ids),), times[j]) for j in (i, i+1))
            x = moved(net.schedule, point, x, tt, ss, torch.randn(x.shape, generator=rng))
            before = ce(z) if i == at-k else before
            guess, z = net.say(x, times[i+1], guess)
        fresh = noised(net, ids, times[at], rng)[1][1]
        rows.append(dict(t=times[at], start=times[at-k], own=ce(z), fresh=ce(fresh), fresh_start=before, own_entropy=entropy(z), fresh_entropy=entropy(fresh)))
    with open(LOG/'exposure.jsonl', 'a') as f: f.write(json.dumps(dict(model=name, k=k, steps=steps, say=say, rows=rows)) + '\n')
    for r in rows: print(f"{name} t={r['t']:4d} from {r['start']:4d}: own {r['own']:.3f} fresh {r['fresh']:.3f} at start {r['fresh_start']:.3f}; entropy own {r['own_entropy']:.3f} fresh {r['fresh_entropy']:.3f}", flush=True)

def main():
    command, *rest = sys.argv[1:]
    def value(v):
        try: return ast.literal_eval(v)
        except (ValueError, SyntaxError): return v
    pairs = dict(a.split('=', 1) for a in rest)
    corpus = open_corpus('grammar')
    if command == 'train':
        args = {k: value(v) for k, v in pairs.items()}
        net, about = train(corpus, **args)
        describe(net, about, args['name'], corpus)
        for say in ('mean', 'near') + (('draw',) if net.how['predict'] == 'words' else ()): evaluate(net, about, args['name'], corpus, say=say, n=250)
    else:
        name = pairs.pop('model')
        for one in name.split(','):
            net, about = load(one, corpus)
            if command == 'describe': describe(net, about, one, corpus)
            if command == 'exposure': exposure(net, one, corpus, **{k: value(v) for k, v in pairs.items()})
            if command == 'sample':
                many = {k: [value(x) for x in v.split(',')] if '[' not in v else [value(v)] for k, v in pairs.items()}
                for combo in itertools.product(*many.values()): evaluate(net, about, one, corpus, **dict(zip(many, combo)))
if __name__ == '__main__': main()
