"""Two processes copy a file by halves: each opens for itself, after fork."""
import os, sys

source, target = sys.argv[1:]
size = os.path.getsize(source)
half = size // 2
pid = os.fork()
start, length = (half, size - half) if pid == 0 else (0, half)
with open(source, "rb") as book, open(target, "r+b") as copy:
    book.seek(start)
    copy.seek(start)
    copy.write(book.read(length))
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
