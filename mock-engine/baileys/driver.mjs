// Drives clients and the mock: a Client is a process with a real Baileys in it.
import { spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export const base = process.env.MOCK_URL
export const VERSIONS = ['baileys-7', 'baileys-6', 'baileys-6-old']

/** Calls the mock's control API. */
export async function call(method, path, body) {
  const text = typeof body === 'string'
  const answer = await fetch(base + path, {
    method,
    body: body === undefined ? undefined : text ? body : JSON.stringify(body),
    headers: body === undefined || text ? {} : { 'content-type': 'application/json' },
  })
  const json = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${json}`)
  try {
    return JSON.parse(json)
  } catch {
    return json
  }
}

export class Client {
  /** Starts a client with the credentials of a session or phone, or without any. */
  static async start(version, credentials, env = {}) {
    const directory = mkdtempSync(join(tmpdir(), 'baileys-'))
    if (credentials) {
      const creds = await call('GET', '/mock/whatsapp/credentials?' + new URLSearchParams(credentials))
      writeFileSync(join(directory, 'creds.json'), JSON.stringify(creds))
    }
    return new Client(version, directory, env)
  }

  constructor(version, directory, env) {
    this.version = version
    this.events = []
    // All events, also those that nothing waited for.
    this.heard = []
    this.log = ''
    this.wake = () => {}
    this.child = spawn(process.execPath, ['--import', './preload.mjs', 'client.mjs', version, directory], {
      env: {
        ...process.env, ...env,
        WA_MOCK_URL: base.replace('http', 'ws') + '/ws/chat', WA_MOCK_NAMES: version, WA_MOCK_STRICT: '1',
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    createInterface({ input: this.child.stdout }).on('line', line => {
      // libsignal writes to standard output, too.
      if (line.startsWith('{"event"')) {
        const event = JSON.parse(line)
        this.events.push(event)
        this.heard.push(event)
      }
      this.wake()
    })
    this.child.stderr.on('data', data => (this.log = (this.log + data).slice(-20_000)))
    this.ended = new Promise(resolve => this.child.on('exit', resolve)).then(() => {
      this.gone = true
      this.wake()
    })
  }

  /** The data of the next event of a name that is meant; those before it are forgotten. */
  async next(event, is = () => true, seconds = 20) {
    return (await this.until(it => it.event === event && is(it.data), event, seconds)).data
  }

  async until(is, what = 'such event', seconds = 20) {
    const late = setTimeout(() => ((this.late = true), this.wake()), seconds * 1000)
    this.late = false
    const seen = []
    try {
      for (;;) {
        while (this.events.length) {
          const found = this.events.shift()
          if (is(found)) return found
          seen.push(found)
        }
        if (this.gone || this.late) {
          const problem = this.gone ? 'the client ended' : `no ${what} within ${seconds} s`
          throw new Error(`${this.version}: ${problem}; saw ${JSON.stringify(seen).slice(0, 2000)}; log ${this.log.slice(-2000)}`)
        }
        await new Promise(resolve => (this.wake = resolve))
      }
    } finally {
      clearTimeout(late)
    }
  }

  open() {
    return this.next('connection.update', data => data.connection === 'open')
  }

  /** The code with which the connection closes. */
  async closed() {
    const data = await this.next('connection.update', it => it.connection === 'close')
    return data.lastDisconnect?.code
  }

  say(method, ...args) {
    this.child.stdin.write(JSON.stringify([method, ...args]) + '\n')
  }

  /** Calls a method of the socket. */
  async call(method, ...args) {
    this.say(method, ...args)
    for (;;) {
      const at = this.events.findIndex(it => ['result', 'failed'].includes(it.event) && it.data.method === method)
      if (at >= 0) {
        const [{ event, data }] = this.events.splice(at, 1)
        if (event === 'failed') throw new Error(`${this.version}: ${method}: ${data.error}`)
        return data.result
      }
      if (this.gone) throw new Error(`${this.version}: the client ended; log ${this.log}`)
      await new Promise(resolve => (this.wake = resolve))
    }
  }

  async stop() {
    this.child.kill()
    await this.ended
  }
}

export const jid = phone => `${phone}@s.whatsapp.net`

/** The first text among the messages of an event. */
export const textOf = data =>
  data.messages?.map(({ message }) => message?.conversation ?? message?.extendedTextMessage?.text).find(it => it)
