"""A run is killed (SIGKILL) at random moments, many of them inside saves, and started again until it is complete.

    python .github/harm/kill.py --n 500

After each kill the newest checkpoint must be at least as new as the last save that had ended, and nothing may be called
damaged; each completed run must have the weights, to the last bit, of one that was never stopped. « detected » counts
kills after which all of that held.
"""
import os, select, shutil, signal, tempfile, time, traceback
from pathlib import Path
from common import CONFIG, CORPUS, Campaign, newest, steps_of, weights
from diffusion_anchor import train


def child(folder, pipe):
    "The run, telling when a save begins and ends."
    save = train.save_checkpoint

    def told(folder, state, key):
        os.write(pipe, f's{state.done}\n'.encode())
        save(folder, state, key)
        os.write(pipe, f'e{state.done}\n'.encode())

    train.save_checkpoint = told
    code = 1
    try:
        run = train.fit(CORPUS, CONFIG, folder)
        os.write(pipe, f'w{weights(run.model)}\n'.encode())
        code = 0
    except BaseException: traceback.print_exc()
    finally: os._exit(code)


class Process:
    "A forked run, and what it has told."
    def __init__(self, folder):
        ours, theirs = os.pipe()
        self.told, self.pipe, self.pid = b'', ours, os.fork()
        if not self.pid:
            os.close(ours)
            child(folder, theirs)
        os.close(theirs)

    def listen(self, until, enough=lambda lines: False):
        "Read what is told, up to a moment or until it is enough; False once the process has ended."
        while not enough(self.lines) and (left := until - time.monotonic()) > 0:
            if not select.select([self.pipe], [], [], left)[0]: break
            if not (said := os.read(self.pipe, 4096)): return False
            self.told += said
        return True

    @property
    def lines(self): return self.told.decode().split()

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        while said := os.read(self.pipe, 4096): self.told += said

    def wait(self):
        os.close(self.pipe)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def one_life(folder, dice, length, save_length):
    "Start the run, and kill it unless it ends before: (how it ended, what it told, whether inside a save)."
    process, inside = Process(folder), dice.random() < 0.3
    if inside: # some save of this life, and some moment of it
        chosen = dice.randint(1, 4)
        alive = process.listen(time.monotonic() + 60, lambda lines: sum(x[0] == 's' for x in lines) >= chosen)
        if alive: alive = process.listen(time.monotonic() + dice.uniform(0, save_length))
    else: alive = process.listen(time.monotonic() + dice.uniform(0, length))
    if alive: process.kill()
    lines = process.lines
    begun, ended = (sum(x[0] == kind for x in lines) for kind in 'se')
    return process.wait(), lines, begun > ended


def main():
    campaign = Campaign('kill', __doc__)
    end = steps_of()[CONFIG.steps]
    home = Path(tempfile.mkdtemp())
    process = Process(home/'length')
    began = time.monotonic()
    process.listen(began + 600)
    length = time.monotonic() - began
    assert process.wait() == 0
    save_length, runs, saved = length / 30, 0, 0
    for _, dice in campaign.cases():
        while True: # a life that was complete before its kill is no kill
            folder = home/f'run{runs}'
            code, lines, inside = one_life(folder, dice, length, save_length)
            if code == -signal.SIGKILL: break
            right = code == 0 and lines[-1] == f'w{end}'
            if not right: break
            campaign.found['runs_completed'] = campaign.found.get('runs_completed', 0) + 1
            shutil.rmtree(folder)
            runs, saved = runs + 1, 0
        kind = 'inside a save' if inside else 'between saves'
        if code != -signal.SIGKILL:
            campaign.add(kind, 'silent' if code == 0 else 'foreign', f'ended with {code}, {lines[-1:]}')
            shutil.rmtree(folder)
            runs, saved = runs + 1, 0
            continue
        saved = max([saved, *(int(x[1:]) for x in lines if x[0] == 'e')])
        step, said = newest(folder)
        good = step >= saved and not said
        why = '' if good else f'step {step} of {saved}; {said}'
        campaign.add(kind, 'detected' if good else 'silent', why, inside_saves=inside)
    shutil.rmtree(home)
    campaign.end()


if __name__ == '__main__': main()
