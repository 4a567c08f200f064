"""A client of the package aiohttp, with the commands of node/ws_client.cjs."""

import asyncio
import contextlib
import json
import sys

import aiohttp


def say(value):
    print(json.dumps(value), flush=True)


async def receive(socket):
    while True:
        message = await socket.receive()
        if message.type == aiohttp.WSMsgType.TEXT:
            say({"message": json.loads(message.data)})
        elif message.type == aiohttp.WSMsgType.PING:
            await socket.pong(message.data)
        elif message.type == aiohttp.WSMsgType.PONG:
            say({"pong": True})
        elif message.type == aiohttp.WSMsgType.CLOSE:
            return say({"closed": socket.close_code, "reason": message.extra or ""})
        else:
            return None  # This side closes, and says so itself.


async def main():
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    socket, tasks = None, []
    async with aiohttp.ClientSession() as session:
        while line := await lines.readline():
            command = json.loads(line)
            if "open" in command:
                try:
                    protocols = command.get("protocols") or ()
                    socket = await session.ws_connect(
                        command["open"], protocols=protocols, autoping=False, max_msg_size=0)
                except aiohttp.WSServerHandshakeError as error:
                    say({"error": str(error)})
                    continue
                say({"open": True, "protocol": socket.protocol or ""})
                tasks.append(asyncio.create_task(receive(socket)))
            elif "send" in command:
                await socket.send_str(command["send"])
            elif "ping" in command:
                await socket.ping()
            elif "flood" in command:
                with contextlib.suppress(ConnectionError):  # The server may close while it is being sent.
                    await socket.send_str("x" * command["flood"])
            else:
                await socket.close(code=command["close"], message=b"the client's reason")
                say({"closed": socket.close_code, "reason": ""})


asyncio.run(main())
