// A webhook receiver in Express that verifies signatures as applications do, over the re-serialised body;
// prints each event as JSON.
const { createHmac, timingSafeEqual } = require("node:crypto");
const express = require("express");

const key = process.argv[2];
const app = express();
app.use(express.json({ limit: "10mb" }));
app.post("/webhook", (req, res) => {
  const signature = createHmac("sha512", key).update(JSON.stringify(req.body)).digest();
  const sent = Buffer.from(req.header("X-Webhook-Hmac") ?? "", "hex");
  if (sent.length !== signature.length || !timingSafeEqual(sent, signature)) {
    console.log(JSON.stringify({ forged: true, body: JSON.stringify(req.body), sent: req.header("X-Webhook-Hmac") ?? null }));
    return res.sendStatus(401);
  }
  console.log(JSON.stringify({ event: req.body, headers: req.rawHeaders }));
  res.sendStatus(200);
});
const server = app.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}/webhook` }));
});
process.on("SIGTERM", () => process.exit(0));
