"""A TCP server that serves one client after the other."""
import socket

door = socket.socket()
door.bind(("127.0.0.1", 0))
door.listen(5)
while True:
    client, address = door.accept()
    with client:
        while data := client.recv(1024):
            print(address, data.decode(errors="replace"), flush=True)
            client.sendall(b"Thanks")
