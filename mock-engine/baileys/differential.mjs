// The same as real Baileys: what it makes of stanzas is what mock-engine's translation makes of them.
//
// Played are all fixtures of src/wire, the scenarios that the program carries, and 500 random sequences
// of what contacts do and of stanzas. For each, the events that the mock says a session gets are compared
// with those of a real client on that session. `SEED=7 CASES=500 node differential.mjs`.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Client, call } from './driver.mjs'

const root = process.env.MOCK_ROOT
const seed = Number(process.env.SEED ?? 1)
const cases = Number(process.env.CASES ?? 500)
const KINDS = ['presence.update', 'messages.upsert']

/** What is compared: kinds and data, as JSON has them. */
const comparable = ({ event, data }) => {
  const plain = JSON.parse(JSON.stringify(data), (_, value) => (['NaN', 'Infinity', '-Infinity'].includes(value) ? null : value))
  // The first message of somebody in a group brings a key with it, which the mock's events have no need of.
  for (const { message } of plain.messages ?? []) delete message?.senderKeyDistributionMessage
  return { event, data: plain }
}

/** Whether a message is one with which a phone greets a device. */
const isGreeting = ({ data }) => data.messages?.some(it => it.message?.protocolMessage)

/** Compares what a client heard since the last time with the events that the mock made. */
async function compare(client, session, made, what) {
  const from = `${1_000_000 + sentinels++}@s.whatsapp.net`
  await call('POST', `/mock/sessions/${session}/stanzas`, { tag: 'presence', attrs: { from } })
  const ours = made.filter(it => KINDS.includes(it.event)).map(comparable)
  // Baileys decrypts messages of several senders at once: they have no order.
  const id = it => it.data.messages?.[0].key.id ?? ''
  const of = (events, kind) => {
    const found = events.filter(it => it.event === kind)
    return kind === 'messages.upsert' ? found.sort((one, other) => id(one).localeCompare(id(other))) : found
  }
  const messages = of(ours, 'messages.upsert').length
  const heard = () => client.heard.filter(it => KINDS.includes(it.event) && !isGreeting(it)).flatMap(single).map(comparable)
  await client.until(it => it.data.id === from, 'sentinel')
  // A message is decrypted beside the rest, and may be told of later than what came after it.
  for (let tries = 0; of(heard(), 'messages.upsert').length < messages && tries < 200; tries++)
    await new Promise(resolve => setTimeout(resolve, 20))
  const real = heard().filter(it => it.data.id !== from)
  client.heard = []
  for (const kind of KINDS) assert.deepEqual(of(real, kind), of(ours, kind), what)
  return ours.length
}

let sentinels = 0

/** Baileys may tell of several messages at once; the mock tells of each by itself. */
const single = ({ event, data }) =>
  event === 'messages.upsert' ? data.messages.map(it => ({ event, data: { messages: [it], type: data.type } })) : [{ event, data }]

/** Starts the mock anew with a scenario; answers with its first session. */
async function begin(text, baileys) {
  await call('POST', '/mock/reset', { scenario: `baileys = "${baileys}"\n${text}` })
  return Object.keys((await call('GET', '/mock')).sessions)[0]
}

async function online(client, session) {
  await client.open()
  const query = new URLSearchParams({ match: 'tag=presence,type=available', wait: '10s' })
  const { entries } = await call('GET', `/mock/sessions/${session}/journal?${query}`)
  assert(entries.length, `${client.version} is not online`)
}

const PEOPLE = readFileSync(`${root}/baileys/people.toml`, 'utf8')

/** A small generator of chance, the same on every machine: xorshift. */
function chance(state) {
  state = (state * 2654435761 + 1) >>> 0 || 1
  return below => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % below
  }
}

const LAST = ['1686719326', 'deny', 'none', '0', '-1', '1.5', '1e3', '+7', '0x1f', '', '99999999999999999999', 'abc', ' 8 ']
const IDS = ['5511999990001@s.whatsapp.net', '12345678901234@lid', '120363041234567890@g.us', '777:4@s.whatsapp.net', 'status@broadcast']

/** A random step: what a contact does, or a stanza. */
function step(random) {
  const pick = list => list[random(list.length)]
  if (random(2)) {
    const does = pick(['online', 'offline', 'typing', 'recording', 'paused', 'message'])
    const who = pick(['alice', 'bob'])
    const where = !['online', 'offline'].includes(does) && random(2) ? { in: 'team' } : {}
    return { act: who, body: { does, ...where } }
  }
  const attrs = {}
  if (random(8)) attrs.from = pick(IDS)
  if (random(3) === 0) attrs.participant = pick(IDS)
  if (random(2)) {
    if (random(2)) attrs.type = pick(['available', 'unavailable', 'error'])
    if (random(2)) attrs.last = pick(LAST)
    if (random(4) === 0) attrs.count = pick(LAST)
    return { stanza: { tag: 'presence', attrs } }
  }
  const child = { tag: pick(['composing', 'paused', 'recording', 'daydreaming']), attrs: random(3) ? {} : { media: pick(['audio', 'text']) } }
  const content = pick([[child], [child, { tag: 'paused' }], undefined, 'composing'])
  return { stanza: { tag: 'chatstate', attrs, ...(content === undefined ? {} : { content }) } }
}

async function fixtures(client, session) {
  const all = JSON.parse(readFileSync(`${root}/src/wire/fixtures.json`, 'utf8'))
  for (const { name, node } of all) {
    const { events } = await call('POST', `/mock/sessions/${session}/stanzas`, node)
    await compare(client, session, events, `fixture: ${name}`)
  }
  return all.length
}

async function sequences(client, session) {
  let events = 0
  for (let number = 0; number < cases; number++) {
    const random = chance(seed * 1_000_003 + number)
    const steps = Array.from({ length: 1 + random(10) }, () => step(random))
    const made = []
    for (const { act, body, stanza } of steps) {
      const answer = act
        ? await call('POST', `/mock/sessions/${session}/contacts/${act}`, body)
        : await call('POST', `/mock/sessions/${session}/stanzas`, stanza)
      made.push(...answer.events)
    }
    events += await compare(client, session, made, `sequence ${number} of seed ${seed}: ${JSON.stringify(steps)}`)
  }
  return events
}

async function scenario(client, session) {
  const { groups, contacts } = await call('GET', '/mock/world')
  for (const { id } of [...Object.values(contacts), ...Object.values(groups)]) await client.call('presenceSubscribe', id)
  for (let left = 180_000; left > 0;) {
    const { nextTimer } = await call('GET', '/mock/clock')
    if (!nextTimer) break
    const before = (await call('GET', '/mock')).clock.now
    await call('POST', '/mock/clock/advance', { by: nextTimer })
    left -= (await call('GET', '/mock')).clock.now - before
    const { connected } = (await call('GET', '/mock/world')).sessions[session]
    const { closed } = (await call('GET', '/mock/whatsapp')).devices.find(it => it.session === session)
    // A connection that the scenario has opened again is there before time goes on.
    if (!connected && !closed) await online(client, session)
  }
  // What came last is compared on a connection that is there.
  const { connected } = (await call('GET', '/mock/world')).sessions[session]
  if (!connected) {
    await call('POST', `/mock/sessions/${session}/connection`, { state: 'open' })
    await online(client, session)
  }
  const { events } = await call('GET', `/mock/sessions/${session}/events`)
  return compare(client, session, events)
}

const program = process.env.MOCK_PROGRAM
const names = execFileSync(program, ['scenario', 'list'], { encoding: 'utf8' })
  .split('\n').map(line => line.trim().split(/\s+/)[0]).filter(Boolean)

let failed = 0
for (const version of process.argv[2] ? [process.argv[2]] : ['baileys-7', 'baileys-6']) {
  const baileys = version === 'baileys-7' ? '7' : '6'
  const report = async (what, play) => {
    try {
      console.log(`same  ${version} ${what}: ${await play()}`)
    } catch (error) {
      failed++
      console.log(`DIFFERENT  ${version} ${what}: ${error.message}`)
    }
  }
  await begin(PEOPLE, baileys)
  const client = await Client.start(version, { session: 'default' }, { RECONNECT: '1' })
  await online(client, 'default')
  await report('fixtures', () => fixtures(client, 'default'))
  await report(`events of ${cases} random sequences`, () => sequences(client, 'default'))
  await client.stop()
  for (const name of names) {
    const whole = execFileSync(program, ['scenario', 'show', name], { encoding: 'utf8' })
    // An event that is handed over as it is was never on the wire.
    const text = whole.split(/(?=^\[\[timeline\]\])/m).filter(step => !/^event = /m.test(step)).join('')
    const session = await begin(text, baileys)
    const client = await Client.start(version, { session }, { RECONNECT: '1' })
    await online(client, session)
    await report(`events of the scenario ${name}`, () => scenario(client, session))
    await client.stop()
  }
}
process.exit(failed ? 1 : 0)
