"""The homework with the files opened before fork: both processes turn the pages of one book."""
import os, sys, time

source, target = sys.argv[1:]
half = os.path.getsize(source) // 2
book, copy = os.open(source, os.O_RDONLY), os.open(target, os.O_WRONLY)
pid = os.fork()
start = half if pid == 0 else 0
os.lseek(book, start, os.SEEK_SET)
os.lseek(copy, start, os.SEEK_SET)
time.sleep(0.1)  # whoever is held up here reads where the other one has left the bookmark
os.write(copy, os.read(book, half))
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
