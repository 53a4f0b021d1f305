"""One wait for each signal: of children that end together, one is collected."""
import os, signal, sys, time

signal.signal(signal.SIGCHLD, lambda *_: os.wait())
for _ in range(20):
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
sys.stdin.readline()
