// A webhook receiver and WebSocket client that compares each body that it gets with
// JSON.stringify(JSON.parse(body)); prints one line of JSON per body.
//
// Reads commands from standard input: {"socket": URL} opens a WebSocket, {"get": URL, "key": KEY} sends a
// request and compares the answer.
const http = require("node:http");
const readline = require("node:readline");
const { WebSocket } = require("ws");

function judge(from, body) {
  let again;
  try {
    again = JSON.stringify(JSON.parse(body));
  } catch (error) {
    again = String(error);
  }
  console.log(JSON.stringify({ from, same: again === body, body, again: again === body ? undefined : again }));
}

const server = http.createServer((req, res) => {
  const chunks = [];
  req.on("data", (chunk) => chunks.push(chunk));
  req.on("end", () => {
    judge("webhook", Buffer.concat(chunks).toString("utf8"));
    res.end();
  });
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}/` })));

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const command = JSON.parse(line);
  if (command.socket) {
    const socket = new WebSocket(command.socket);
    socket.on("open", () => console.log(JSON.stringify({ open: true })));
    socket.on("message", (data) => judge("websocket", data.toString("utf8")));
  } else {
    const answer = await fetch(command.get, { headers: { "x-api-key": command.key } });
    judge(command.get, await answer.text());
  }
});
process.on("SIGTERM", () => process.exit(0));
