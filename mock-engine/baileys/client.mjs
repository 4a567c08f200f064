// A plain Baileys client, told what to do by lines of JSON.
//
//     node --import preload.mjs client.mjs PACKAGE DIRECTORY
//
// DIRECTORY holds its credentials. Each event is a line {"event", "data"} on standard output; a line
// ["sendMessage", …] on standard input calls that method of the socket. A number that JSON does not have
// is written "NaN" or "Infinity", and a key that is undefined is left out, as JSON does.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import readline from 'node:readline'
import { pathToFileURL } from 'node:url'

const [, , name, directory] = process.argv
const require = createRequire(join(process.cwd(), 'package.json'))
const baileys = await import(pathToFileURL(require.resolve(name)))
const { useMultiFileAuthState } = baileys
// From a CommonJS package, `default` is the whole module.
const makeWASocket = baileys.makeWASocket ?? baileys.default.default ?? baileys.default

const EVENTS = [
  'presence.update', 'messages.upsert', 'messages.update', 'message-receipt.update', 'connection.update',
  'groups.update', 'lid-mapping.update', 'contacts.update',
]

const json = data =>
  JSON.stringify(data, (_, value) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value))
const say = (event, data) => process.stdout.write(json({ event, data }) + '\n')

const quiet = () => {}
const complain = (data, text) =>
  console.error(text ?? '', json(data, (_, it) => (it instanceof Error ? it.stack : it))?.slice(0, 2000))
const logger = {
  level: process.env.LOG ?? 'error', trace: quiet, debug: quiet, info: process.env.LOG ? complain : quiet,
  warn: process.env.LOG ? complain : quiet, error: process.env.LOG ? complain : quiet, fatal: complain,
  child: () => logger,
}

let sock
async function start() {
  const { state, saveCreds } = await useMultiFileAuthState(directory)
  sock = makeWASocket({
    auth: state,
    logger,
    markOnlineOnConnect: process.env.ONLINE !== 'false',
    fireInitQueries: true,
    shouldSyncHistoryMessage: () => false,
    qrTimeout: 60_000,
    defaultQueryTimeoutMs: 10_000,
  })
  sock.ev.on('creds.update', saveCreds)
  for (const event of EVENTS) {
    sock.ev.on(event, data => {
      const last = data.lastDisconnect
      if (!last) return say(event, data)
      const code = last.error?.output?.statusCode
      say(event, { ...data, lastDisconnect: { code, message: last.error?.message } })
      // Baileys asks for a new socket after it was linked.
      if (data.connection === 'close' && (code === 515 || process.env.RECONNECT)) start()
    })
  }
}

await start()
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [method, ...args] = JSON.parse(line)
  if (method === 'reconnect') {
    await start()
    continue
  }
  try {
    say('result', { method, result: (await sock[method](...args)) ?? null })
  } catch (error) {
    say('failed', { method, error: error.message })
  }
}
process.exit(0)
