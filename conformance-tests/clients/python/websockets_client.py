"""A client of the package websockets, with the commands of node/ws_client.cjs."""

import asyncio
import contextlib
import json
import sys

import websockets


def say(value):
    print(json.dumps(value), flush=True)


async def receive(socket):
    try:
        async for message in socket:
            say({"message": json.loads(message)})
    except websockets.ConnectionClosed:
        pass
    await socket.wait_closed()
    say({"closed": socket.close_code, "reason": socket.close_reason})


async def pong(socket):
    await (await socket.ping())
    say({"pong": True})


async def flood(socket, size):
    with contextlib.suppress(websockets.ConnectionClosed):  # The server may close while it is being sent.
        await socket.send("x" * size)


async def main():
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    socket, tasks = None, []
    while line := await lines.readline():
        command = json.loads(line)
        if "open" in command:
            try:
                protocols = command.get("protocols") or None
                socket = await websockets.connect(command["open"], subprotocols=protocols, max_size=None)
            except websockets.InvalidHandshake as error:
                say({"error": str(error)})
                continue
            say({"open": True, "protocol": socket.subprotocol or ""})
            tasks.append(asyncio.create_task(receive(socket)))
        elif "send" in command:
            await socket.send(command["send"])
        elif "ping" in command:
            tasks.append(asyncio.create_task(pong(socket)))
        elif "flood" in command:
            tasks.append(asyncio.create_task(flood(socket, command["flood"])))
        else:
            await socket.close(command["close"], "the client's reason")


asyncio.run(main())
