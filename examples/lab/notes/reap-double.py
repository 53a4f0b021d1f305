"""The double fork as notes have it: nobody waits for the child in between, so it stays a zombie."""
import os, sys, time

pid = os.fork()
if pid == 0:
    if os.fork() == 0:
        time.sleep(20)  # event 2
    else:
        sys.exit()
else:
    sys.stdin.readline()  # event 1
