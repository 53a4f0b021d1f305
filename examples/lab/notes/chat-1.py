"""The chat room as it is commonly built: it trusts every datagram, and ends at the first one that is wrong."""
import os, socket, sys

door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.bind(("127.0.0.1", 0))
people = {}


def tell(name, line):
    for other in people:
        if other != name:
            door.sendto(line.encode(), people[other])


def requests():
    while True:
        data, address = door.recvfrom(1024)
        words = data.decode().split(" ", 2)
        if words[0] == "L":
            if words[1] in people or "管理员" in words[1]:
                door.sendto("this name is taken".encode(), address)
                continue
            door.sendto(b"OK", address)
            tell(words[1], words[1] + " has come")
            people[words[1]] = address
        elif words[0] == "C":
            tell(words[1], words[1] + ": " + words[2])
        elif words[0] == "Q":
            door.sendto(b"EXIT", people[words[1]])  # whoever is not there ends the room for all
            del people[words[1]]
            tell(words[1], words[1] + " has left")


if os.fork() == 0:
    for line in sys.stdin:
        door.sendto(("C 管理员 " + line.strip()).encode(), door.getsockname())
else:
    requests()
