"""Stands in for systemd's end of the notify socket: prints every datagram it gets, one JSON string a line."""
import json, os, socket, sys

path = sys.argv[1]
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(path)
print(json.dumps("listening"), flush=True)
while True:
    # Without room for ancillary data the kernel closes the barrier's descriptor, which is the answer it waits for.
    print(json.dumps(receiver.recv(65536).decode()), flush=True)
