"""SIGCHLD coalesces: the handler waits in a loop until nothing is left."""
import os, signal, sys, time


def collect(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


signal.signal(signal.SIGCHLD, collect)
for _ in range(20):
    if os.fork() == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        time.sleep(20)
        os._exit(0)
sys.stdin.readline()
