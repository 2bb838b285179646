"""What room 09 shows of the default study: `python .github/record_study.py STUDY OUT`.

STUDY is the folder that `anchor_study` left, weights included; a teacher is trained in it. OUT gets the study without
its weights. About ten minutes of one core."""
import shutil, sys
from pathlib import Path
import torch
from diffusion_anchor.basics import environment, write_json
from diffusion_anchor.fluency import Teacher
from diffusion_anchor.grammar import RestaurantGrammar
from diffusion_anchor.report import Study, lost_words, mbr_gain, sampling_steps, table_two
from diffusion_anchor.sample import generate

def teacher_of(folder, corpus):
    "The teacher in a folder, trained where there is none."
    if not (folder/'config.json').exists(): Teacher.train(corpus).save(folder)
    return Teacher.load(folder)

def other_samples(study, grammar):
    "Two thousand samples of the first variant from another seed."
    name, run = next(iter(study.runs().items()))
    words = generate(run.model, 2000, 32, seed=1).words
    about = f'generate(model, 2000, 32, seed=1) with the {name}, judged by RestaurantGrammar(0).accepts'
    found = dict(accepted=sum(map(grammar.accepts, words))/2000, distinct=len(set(map(tuple, words)))/2000)
    told = dict(about=about, variant=name, n=2000, seed=1, steps=32)
    write_json(study.dir/'more.json', told | found | dict(environment=environment()))

def copy_without_weights(study, out):
    shutil.copytree(study.dir/'records', out/'records')
    for path in study.dir.iterdir():
        if path.suffix in ('.csv', '.json', '.png'): shutil.copy(path, out/path.name)

if __name__ == '__main__':
    torch.set_num_threads(1)
    corpus, study = RestaurantGrammar(0).corpus(), Study.load(sys.argv[1])
    other_samples(study, corpus.grammar)
    lost_words(study, corpus); sampling_steps(study); mbr_gain(study, corpus.grammar)
    table_two(study, corpus, teacher_of(study.dir/'teacher', corpus), grammar=corpus.grammar)
    copy_without_weights(study, Path(sys.argv[2]))
