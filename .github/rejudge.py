"""Judge the texts that a study recorded by another teacher: `python .github/rejudge.py STUDY CORPUS TEACHER`.

Where a teacher is lost, a study could not grow: new cells would be judged by another one than the old. All numbers
that a teacher gives are made anew from the recorded texts; a manifest says with what (`judged_with`), and keeps the
environment of the model. A second call goes on where the first was stopped."""
import sys
from pathlib import Path
from types import SimpleNamespace
import torch
from diffusion_anchor.basics import environment, read_json, seal, sealed, write_json
from diffusion_anchor.control import _who
from diffusion_anchor.fluency import Teacher
from diffusion_anchor.study import _fluency, _held_out
from diffusion_anchor.train import open_corpus

def judge(record, corpus, teacher):
    "The record of a cell with the numbers of this teacher; False if it has them."
    found, who = sealed(record), _who(teacher)
    if found['key']['teacher'] == who: return False
    texts = {way: (record/f"samples-{way.replace(' ', '-')}.txt").read_text(encoding='utf-8').split('\n')[:-1]
             for way in ('clamp', 'no clamp')}
    subject = SimpleNamespace(texts=texts, corpus=corpus, teacher=teacher, grammar=None)
    row, new = read_json(record/'result.json'), _fluency(subject) | _held_out(subject)
    same = {k for k in row if k in new and not any(s in k for s in ('ppl', 'nll', 'lm_score', 'ratio'))}
    if other := [k for k in same if row[k] is not None and abs(row[k] - new[k]) > 1e-6]:
        raise ValueError(f'{record}: {other} changed, which no teacher gives: other texts, or another corpus')
    write_json(record/'result.json', row | new)
    more = {k: v for k, v in found.items() if k not in ('key', 'files', 'environment')}
    seal(record, found['key'] | dict(teacher=who), found['files'], **more | dict(judged_with=environment()))
    write_json(record/'manifest.json', read_json(record/'manifest.json') | dict(environment=found['environment']))
    return True

if __name__ == '__main__':
    torch.set_num_threads(1)
    folder, corpus, teacher = Path(sys.argv[1]), open_corpus(sys.argv[2]), Teacher.load(sys.argv[3])
    for record in sorted((folder/'records').iterdir()):
        print(record.name, 'judged' if judge(record, corpus, teacher) else 'was judged', flush=True)
    write_json(folder/'study.json', read_json(folder/'study.json') | dict(teacher=_who(teacher)))
