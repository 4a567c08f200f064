// What real clients must be able to do with the mock's WhatsApp, for each pinned version of Baileys.
import assert from 'node:assert/strict'
import { Client, VERSIONS, call, jid, textOf } from './driver.mjs'

const ALICE = jid('5511999990001')
const TEAM = '120363041234567890@g.us'
let last = 10_000_000

const checks = {
  async 'logs in with minted credentials and sees who is typing'(version) {
    const client = await Client.start(version, { session: 'default' })
    await client.open()
    await call('POST', '/mock/sessions/default/contacts/alice', { does: 'offline' })
    await client.call('presenceSubscribe', ALICE)
    const shown = data => data.id === ALICE
    assert.equal((await client.next('presence.update', shown)).presences[ALICE].lastKnownPresence, 'unavailable')
    await call('POST', '/mock/sessions/default/contacts/alice', { does: 'online' })
    assert.equal((await client.next('presence.update', shown)).presences[ALICE].lastKnownPresence, 'available')
    await call('POST', '/mock/sessions/default/contacts/alice', { does: 'typing' })
    assert.equal((await client.next('presence.update', shown)).presences[ALICE].lastKnownPresence, 'composing')
    await call('POST', '/mock/sessions/default/contacts/bob', { does: 'recording', in: 'team' })
    const team = await client.next('presence.update', data => data.id === TEAM)
    assert.equal(team.presences[jid('5511999990002')].lastKnownPresence, 'recording')
    await client.stop()
  },

  async 'is linked by a QR code and logs in'(version) {
    const client = await Client.start(version)
    const { qr } = await client.next('connection.update', data => data.qr)
    const { jid: own } = await call('POST', '/admin/mock-phone/scan-qr', qr)
    assert.match(own, /^55119\d{8}:1@s.whatsapp.net$/)
    assert.equal(await client.closed(), 515)
    await client.open()
    await client.stop()
  },

  async 'is linked by a pairing code and logs in'(version) {
    const phone = `55119${last++}`
    const client = await Client.start(version)
    await client.next('connection.update', data => data.qr)
    const code = await client.call('requestPairingCode', phone)
    const paired = await call('POST', '/mock/whatsapp/code', { phone, code })
    assert.equal(paired.jid, `${phone}:1@s.whatsapp.net`)
    assert.equal(await client.closed(), 515)
    await client.open()
    await client.stop()
  },

  async 'reads messages of contacts and groups, and writes some'(version) {
    const phone = `55119${last++}`
    const client = await Client.start(version, { phone })
    await client.open()
    await call('POST', `/mock/sessions/${phone}/contacts/alice`, { does: 'message', text: 'are you there?' })
    assert.equal(textOf(await client.next('messages.upsert', textOf)), 'are you there?')
    for (const text of ['lunch', 'at twelve']) {
      await call('POST', `/mock/sessions/${phone}/contacts/bob`, { does: 'message', in: 'team', text })
      assert.equal(textOf(await client.next('messages.upsert', textOf)), text)
    }
    for (const [to, text] of [[ALICE, 'I am'], [TEAM, 'fine'], [TEAM, 'really'], [ALICE, 'again']]) {
      const { key } = await client.call('sendMessage', to, { text })
      const query = new URLSearchParams({ match: `tag=message,id=${key.id}`, wait: '5s' })
      const { entries } = await call('GET', `/mock/sessions/${phone}/journal?${query}`)
      const [body] = entries[0].node.content
      assert.equal(body.content, text, JSON.stringify(entries[0].node))
    }
    await client.stop()
  },

  async 'is seen and heard by another account'(version) {
    const [a, b] = [`55119${last++}`, `55119${last++}`]
    const [one, two] = await Promise.all([
      Client.start(version, { phone: a, name: 'Ann' }), Client.start('baileys-7', { phone: b, name: 'Ben' }),
    ])
    await Promise.all([one.open(), two.open()])
    await two.call('presenceSubscribe', jid(a))
    const shown = data => data.id === jid(a)
    assert.equal((await two.next('presence.update', shown)).presences[jid(a)].lastKnownPresence, 'available')
    await one.call('sendPresenceUpdate', 'recording', jid(b))
    assert.equal((await two.next('presence.update', shown)).presences[jid(a)].lastKnownPresence, 'recording')
    const { key } = await one.call('sendMessage', jid(b), { text: 'hello Ben' })
    const got = await two.next('messages.upsert', textOf)
    assert.equal(textOf(got), 'hello Ben')
    assert.equal(got.messages[0].key.id, key.id)
    assert.equal(got.messages[0].pushName, 'Ann')
    await two.call('readMessages', [got.messages[0].key])
    await one.until(({ event, data }) =>
      (event === 'messages.update' && data.some(it => it.key.id === key.id && it.update.status === 4)) ||
      // Baileys may tell of the message only when it was read already.
      (event === 'messages.upsert' && data.messages[0].key.id === key.id && data.messages[0].status === 'READ'))
    await two.call('sendMessage', jid(a), { text: 'hello Ann' })
    assert.equal(textOf(await one.next('messages.upsert', it => it.type === 'notify' && textOf(it))), 'hello Ann')
    await one.stop()
    const gone = await two.next('presence.update', data => shown(data) && data.presences[jid(a)].lastSeen)
    assert.equal(gone.presences[jid(a)].lastKnownPresence, 'unavailable')
    await two.stop()
  },

  async 'gets what came while it was away'(version) {
    const phone = `55119${last++}`
    const client = await Client.start(version, { phone })
    await client.open()
    await call('POST', `/mock/sessions/${phone}/connection`, { state: 'close', code: 428 })
    assert.equal(await client.closed(), 428)
    await call('POST', `/mock/sessions/${phone}/contacts/alice`, { does: 'message', text: 'while you were out' })
    client.say('reconnect')
    await call('POST', `/mock/sessions/${phone}/connection`, { state: 'open' })
    await client.open()
    assert.equal(textOf(await client.next('messages.upsert', textOf)), 'while you were out')
    await client.stop()
  },

  async 'is told why a connection ends'(version) {
    for (const code of [401, 403, 408, 411, 428, 440, 500, 503, 515, 516]) {
      const phone = `55119${last++}`
      const client = await Client.start(version, { phone })
      await client.open()
      await call('POST', `/mock/sessions/${phone}/connection`, { state: 'close', code })
      // A connection that is lost looks to Baileys like one that was closed.
      assert.equal(await client.closed(), code === 408 ? 428 : code)
      await client.stop()
    }
  },

  async 'is replaced by a second connection of the same device'(version) {
    const phone = `55119${last++}`
    const one = await Client.start(version, { phone })
    await one.open()
    const two = await Client.start(version, { phone })
    await two.open()
    assert.equal(await one.closed(), 440)
    await Promise.all([one.stop(), two.stop()])
  },
}

const only = process.argv[2]
let failed = 0
for (const version of VERSIONS) {
  for (const [name, check] of Object.entries(checks)) {
    if (only && !`${version} ${name}`.includes(only)) continue
    const started = Date.now()
    try {
      await check(version)
      console.log(`ok    ${version} ${name} (${Date.now() - started} ms)`)
    } catch (error) {
      failed++
      console.log(`FAIL  ${version} ${name}: ${error.stack}`)
    }
  }
}
const { unknown } = await call('GET', '/mock/whatsapp')
console.log('requests that the mock does not know:', JSON.stringify(unknown))
process.exit(failed ? 1 : 0)
