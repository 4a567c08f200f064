// Points a program's own Baileys to mock-engine's WhatsApp server, and has it trust that server.
//
//     WA_MOCK_URL=ws://127.0.0.1:3001/ws/chat node --import ./preload.mjs app.js
//
// or in NODE_OPTIONS. Nothing is changed on disk: the Baileys that the program itself resolves from
// WA_MOCK_APP (the working directory unless said) gets other defaults before the program runs.
// WA_MOCK_NAMES names the packages to look for, with commas.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const url = process.env.WA_MOCK_URL ?? 'ws://127.0.0.1:3001/ws/chat'
// The mock's root key is the same in every run: GET /mock/whatsapp/key.
const rootKey = process.env.WA_MOCK_ROOT_KEY ?? '@ROOT_KEY@'
const names = process.env.WA_MOCK_NAMES ?? 'baileys,@whiskeysockets/baileys,@adiwajshing/baileys'

const require = createRequire(join(process.env.WA_MOCK_APP ?? process.cwd(), 'package.json'))
let found = 0
for (const name of names.split(',')) {
  let path
  try {
    path = require.resolve(name)
  } catch {
    continue
  }
  const { DEFAULT_CONNECTION_CONFIG, WA_CERT_DETAILS } = await import(pathToFileURL(path))
  DEFAULT_CONNECTION_CONFIG.waWebSocketUrl = url
  // Baileys before 7 checks no signature and has no key to compare with.
  if (WA_CERT_DETAILS) WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(rootKey, 'hex')
  found++
}
// npm and other tools that Node starts have no Baileys, and need none.
if (!found && process.env.WA_MOCK_STRICT) throw new Error(`no Baileys found from ${process.cwd()}`)
