"""The child ends without writing out its copy of the buffer."""
import os

print("hello")
pid = os.fork()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
