"""Both processes end by sys.exit, and both write the buffer out."""
import os, sys

print("hello")
pid = os.fork()
if pid == 0:
    sys.exit()
os.waitpid(pid, 0)
