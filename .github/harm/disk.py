"""The disk of a run becomes full at random moments. It is a tmpfs of a few MB, so this needs the right to mount one.

    python .github/harm/disk.py --n 100

Detected: the run stops with one line that says what was being written and how much room there is, the newest checkpoint
is at least as new as the last save that had ended, and with room the run goes on to the same weights, to the last bit.
Harmless: the room was enough.
"""
import errno, shutil, subprocess, tempfile, warnings
from pathlib import Path
from common import CONFIG, CORPUS, Campaign, newest, one_line, steps_of, weights
from diffusion_anchor import train


def go(folder, fills):
    "Run until the end or an error: (run or error, last step whose save had ended)."
    saved, save = [0], train.save_checkpoint

    def told(folder, state, key):
        fills(state.done)
        save(folder, state, key)
        saved.append(state.done)

    train.save_checkpoint = told
    try: return train.fit(CORPUS, CONFIG, folder), saved[-1]
    except Exception as fault: return fault, saved[-1]
    finally: train.save_checkpoint = save


def one_case(disk, dice, size, end):
    "Leave some room at some save; (outcome, what was said)."
    folder, ballast, at = disk/'run', disk/'ballast', dice.choice(range(2, CONFIG.steps + 1, 2))
    left = int(size * dice.choice([dice.uniform(0, 0.1), dice.uniform(0, 1.2)])) # of a checkpoint

    def fills(step):
        if step == at: ballast.write_bytes(bytes(max(shutil.disk_usage(disk).free - left, 0)))

    if dice.random() < 0.2: at = 0; fills(0) # full before it begins
    result, saved = go(folder, fills)
    if not isinstance(result, Exception):
        return ('harmless' if weights(result.model) == end else 'silent'), f'{left} bytes at {at}: enough'
    said = f'{type(result).__name__}: {result}'
    ours = one_line(result, OSError) and result.errno == errno.ENOSPC and 'no room to write' in str(result)
    if not ours: return 'foreign', said
    step, damaged = newest(folder)
    if step < saved or damaged: return 'silent', f'{said}; then step {step} of {saved}, {damaged}'
    ballast.unlink()
    onward, _ = go(folder, lambda step: None)
    if isinstance(onward, Exception): return 'foreign', f'{said}; then {type(onward).__name__}: {onward}'
    return ('detected' if weights(onward.model) == end else 'silent'), said


def main():
    campaign, end = Campaign('disk', __doc__), steps_of()[CONFIG.steps]
    size = 2*train.fresh_state(CORPUS, CONFIG).nbytes
    disk = Path(tempfile.mkdtemp())
    warnings.simplefilter('ignore')
    for _, dice in campaign.cases():
        subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={6*size}', 'tmpfs', disk], check=True)
        try: found, told = one_case(disk, dice, size, end)
        finally: subprocess.run(['umount', disk], check=True)
        campaign.add('full disk', found, told.replace(str(disk), ''))
    disk.rmdir()
    campaign.end()


if __name__ == '__main__': main()
