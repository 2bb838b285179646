"""Files of a run folder are damaged, then `fit` goes on from it or `Run.load` reads it.

    python .github/harm/damage.py --n 200

Detected: one line says so, and what comes back, if anything, is right to the last bit. Harmless: nothing is said, as
the file was not needed, and what comes back is right. Silent: it is wrong. Foreign: another library's error.
"""
import shutil, tempfile, warnings
from dataclasses import replace
from pathlib import Path
from common import CONFIG, CORPUS, Campaign, one_line, steps_of, weights
from diffusion_anchor.train import Run, fit


class Cut(Exception): pass


def stopped(folder, at, config=CONFIG):
    "A run folder of a run that stopped after the save before `at`."
    def cut(step, row, ema):
        if step == at: raise Cut
    try: fit(CORPUS, config, folder, callbacks=[cut])
    except Cut: pass
    return folder


def flip(path, dice):
    data = bytearray(path.read_bytes())
    if data: data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


def cut(path, dice): path.write_bytes(path.read_bytes()[:dice.randrange(max(path.stat().st_size, 1))])
def empty(path, dice): path.write_bytes(b'')
def delete(path, dice): path.unlink()
def html(path, dice): path.write_text('<!doctype html><html><body>Sign in to continue</body></html>')
def folder_there(path, dice): path.unlink(); path.mkdir()
def zeros(path, dice): path.write_bytes(bytes(path.stat().st_size))
def pickled(path, dice): path.write_bytes(b'cos\nsystem\n(S"touch /tmp/a-pickle-ran"\ntR.')


HARMS = dict(flip=flip, cut=cut, empty=empty, delete=delete, html=html, folder=folder_there, zeros=zeros,
             pickle=pickled)


def do_harm(folder, others, dice):
    "Damage one file, or exchange one for another run's or another step's, or a whole folder; what was done."
    files = sorted(p.relative_to(folder) for p in folder.rglob('*') if p.is_file())
    files = [p for p in files if p.parts[0] == 'checkpoint'] * 3 + files # mostly what is needed
    name, kind = dice.choice(files), dice.choice([*HARMS, *others, 'whole'])
    if kind in HARMS: HARMS[kind](folder/name, dice)
    elif kind == 'whole':
        name = Path(dice.choice(sorted(p.name for p in folder.iterdir() if p.is_dir())))
        shutil.rmtree(folder/name)
        kind = dice.choice(['gone', 'html', 'another run'])
        if kind == 'html': html(folder/name, dice)
        if kind == 'another run': shutil.copytree(others['another run']/name, folder/name)
        kind = f'folder: {kind}'
    else:
        source = others[kind]/name
        if source.is_file(): shutil.copy(source, folder/name)
    return kind, name.as_posix()


def outcome(folder, reader, steps):
    "Read the folder; (outcome, what was said)."
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        warnings.filterwarnings('ignore', message='grammar: ')
        try: run = fit(CORPUS, CONFIG, folder) if reader == 'fit' else Run.load(folder)
        except Exception as fault:
            told = f'{type(fault).__name__}: {fault}'
            return ('detected' if one_line(fault) and folder.name in str(fault) else 'foreign'), told
    said = '; '.join(str(w.message) for w in said)
    step = int(run.history.step.iloc[-1])
    right = steps.get(step) == weights(run.model) and run.config == CONFIG
    if reader == 'fit':
        copy = (folder/'history.csv').read_bytes()
        right &= step == CONFIG.steps and copy == (folder/'checkpoint'/'history.csv').read_bytes()
    if not right: return 'silent', f'step {step}, said: {said}'
    return ('detected' if said else 'harmless'), said


def main():
    campaign, home = Campaign('damage', __doc__), Path(tempfile.mkdtemp())
    steps = steps_of()
    bases = dict(stopped=stopped(home/'stopped', 12), complete=stopped(home/'complete', 99))
    others = {'another run': stopped(home/'other', 99, replace(CONFIG, seed=1)),
              'another step': stopped(home/'step', 6)}
    for case, dice in campaign.cases():
        base, reader = dice.choice([*bases]), dice.choice(['fit', 'Run.load'])
        folder = home/f'case{case}'
        shutil.copytree(bases[base], folder)
        kind, name = do_harm(folder, others, dice)
        found, told = outcome(folder, reader, steps)
        campaign.add(kind, found, f'{base}, {reader}, {name}: {told}'.replace(str(home), ''))
        shutil.rmtree(folder)
    assert not Path('/tmp/a-pickle-ran').exists()
    shutil.rmtree(home)
    campaign.end()


if __name__ == '__main__': main()
