// A client of the package ws. Reads one command per line from standard input and prints what happens, both as
// JSON: {"open": URL, "protocols": [...]}, {"send": TEXT}, {"ping": true}, {"close": CODE} with CODE null for
// no status, {"flood": BYTES} for one message of that size.
const readline = require("node:readline");
const { WebSocket } = require("ws");

const say = (value) => console.log(JSON.stringify(value));
let socket;
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  if (command.open) {
    socket = new WebSocket(command.open, command.protocols ?? []);
    socket.on("open", () => say({ open: true, protocol: socket.protocol }));
    socket.on("message", (data) => say({ message: JSON.parse(data.toString("utf8")) }));
    socket.on("pong", () => say({ pong: true }));
    socket.on("close", (code, reason) => say({ closed: code, reason: reason.toString("utf8") }));
    socket.on("error", (error) => say({ error: error.message }));
  } else if (command.send !== undefined) {
    socket.send(command.send);
  } else if (command.ping) {
    socket.ping();
  } else if (command.flood) {
    socket.send("x".repeat(command.flood));
  } else if (command.close === null) {
    socket.close();
  } else {
    socket.close(command.close, "the client's reason");
  }
});
process.on("SIGTERM", () => process.exit(0));
