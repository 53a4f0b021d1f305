"""The chat room of the course, which goes on whatever comes: a bad request is answered with a reason."""
import os, socket, sys

ADMIN = "管理员"
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.bind(("127.0.0.1", 0))
people = {}


def others(name, line):
    for other, address in people.items():
        if other != name:
            door.sendto(line.encode(), address)


def answer(verb, name, line, address):
    if verb == "L" and name and line is None:
        if name == ADMIN or name in people:
            return "this name is not free"
        others(name, name + " has come")
        people[name] = address
        return "OK"
    if verb == "C" and line is not None:
        return others(name, f"{name}: {line}")
    if verb == "Q" and people.pop(name, None):
        others(name, name + " has left")
        return "EXIT"
    return "what do you mean?"


if os.fork() == 0:
    for line in sys.stdin:  # the administrator: a copy of the empty table is of no use here
        door.sendto(f"C {ADMIN} {line.strip()}".encode(), door.getsockname())
    os._exit(0)
while True:
    data, address = door.recvfrom(1024)
    words = data.decode(errors="replace").split(" ", 2)
    verb, name, line = words + [""] * (2 - len(words)) + [None] * (3 - max(len(words), 2))
    reply = answer(verb, name, line, address)
    if reply:
        door.sendto(reply.encode(), address)
