"Small sound folders of every kind that is loaded, and what reads them with one of their files exchanged."
import os

os.environ |= dict(TQDM_DISABLE='1', HF_HUB_OFFLINE='1')
import io, shutil, warnings
from contextlib import redirect_stdout
from pathlib import Path
import pandas as pd, torch
from transformers import GPT2LMHeadModel
from diffusion_anchor import control, fluency, grammar, model, study, targets, train

warnings.filterwarnings('ignore', message='(grammar|teacher): ')
torch.set_num_threads(1)
RUNS = Path(__file__).parents[2]/'nbs'/'runs'
SHAPE = dict(seq_len=24, hidden=4, layers=1, heads=1, emb_dim=2)


def make(home):
    "One folder of each kind."
    home.mkdir(parents=True)
    corpus = grammar.RestaurantGrammar(0).corpus(200)
    config = train.TrainConfig.preset('quick', steps=4, log_every=2, save_every=2, eval_every=4, eval_sentences=4,
                                      warmup=1, batch_size=4, model=SHAPE)
    with redirect_stdout(io.StringIO()):
        run = train.fit(corpus, config, home/'run')
        study.run_study(corpus, {'plain': None}, config, n=8, steps=2, out_dir=home/'study')
    shutil.rmtree(home/'study'/'runs')
    shutil.copytree(home/'run', home/'old run', ignore=shutil.ignore_patterns('manifest.json', 'checkpoint*'))
    (home/'old study').mkdir()
    for name in ('study.json', 'results.json'): shutil.copy(RUNS/'full'/name, home/'old study'/name)
    run.model.save_pretrained(home/'model')
    theirs = model.DiffusionLM(model.DiffusionLMConfig(8, 24, 2, 4, 1, 1))
    torch.save(theirs.state_dict(), home/'authors.pt')
    small = fluency.teacher_config(corpus)
    small.update(dict(n_embd=4, n_layer=1, n_head=1, n_positions=32))
    history = pd.DataFrame(dict(train=[5., 4.], valid=[5., 4.])).rename_axis('epoch')
    fluency.Teacher(GPT2LMHeadModel(small), fluency.word_tokenizer(corpus.vocab), history).save(home/'teacher')
    wishes = targets.make_targets(corpus, 'length', 2)
    control.run_control(run.model, 'length', wishes, n=2, steps=2, method='hold', unguided=2, corpus=corpus,
                        progress=False).save(home/'control')
    (home/'control'/'manifest.json').unlink() # read as from before manifests: a checksum would hide the rest


def one_of(folder, read):
    "(good contents, reader): the first byte says which file of a folder the rest takes the place of."
    sealed = any(folder.rglob('manifest.json')) # then damage.py does what can be done to the long ones
    good = {path: path.read_bytes() for path in sorted(folder.rglob('*')) if path.is_file() and path.suffix != '.md'}
    good = {path: content for path, content in good.items() if not sealed or len(content) < 9_999}
    paths = [*good]

    def call(content):
        path = paths[content[0] % len(paths)] if content else paths[0]
        path.write_bytes(content[1:])
        try: return read(folder)
        finally: path.write_bytes(good[path])
    return [bytes([i]) + content for i, content in enumerate(good.values())], call


def loaders(home):
    "name -> (good contents, function of a bad one)."
    make(home)
    authors = home/'authors.pt'
    load = model.DiffusionLM.from_diffusion_lm
    return {
        'DiffusionLM.from_pretrained': one_of(home/'model', model.DiffusionLM.from_pretrained),
        'DiffusionLM.from_diffusion_lm': ([authors.read_bytes()], lambda content: (authors.write_bytes(content),
                                                                                  load(authors, seq_len=24, heads=1))),
        'Run.load': one_of(home/'run', train.Run.load),
        'Run.load, no manifest': one_of(home/'old run', train.Run.load),
        'Study.load': one_of(home/'study', study.Study.load),
        'Study.load, results.json': one_of(home/'old study', study.Study.load),
        'Teacher.load': one_of(home/'teacher', fluency.Teacher.load),
        'ControlResult.load': one_of(home/'control', control.ControlResult.load)}
