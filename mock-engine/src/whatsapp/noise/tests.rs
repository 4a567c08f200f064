//! A client's side of the handshake, as far as the server has to do with it.

use super::*;

/// Shakes hands as a client does, and answers with both sides' ciphers.
fn shake(knows_the_server: bool) -> (Finished, Transport) {
    let identity = ServerIdentity::new();
    let (header, me, mine) =
        (*b"WA\x06\x03", KeyPair::of_label("client"), KeyPair::of_label("client ephemeral"));
    let mut hello = Writer::default().bytes(1, mine.public);
    if knows_the_server {
        hello = hello.bytes(2, [1; 48]).bytes(3, [2; 16]);
    }
    let hello = Writer::default().message(2, hello).done();
    let ephemeral = KeyPair::of_label("server ephemeral");
    let (server, answer) = Handshake::answer(&identity, header, ephemeral, &hello).unwrap();
    let answer = Message::read(&answer).unwrap().message(3).unwrap().unwrap();
    let mut state =
        if knows_the_server { Symmetric::xx_fallback(header) } else { Symmetric::xx(header) };
    state.mix_hash(&mine.public);
    let theirs = read_public(answer.bytes(1).unwrap()).unwrap();
    state.mix_hash(&theirs);
    state.mix_key(&mine.agree(&theirs));
    let known = state.decrypt(answer.bytes(2).unwrap(), "static").unwrap();
    state.mix_key(&mine.agree(&read_public(&known).unwrap()));
    let chain = state.decrypt(answer.bytes(3).unwrap(), "chain").unwrap();
    let leaf = Message::read(&chain).unwrap().message(1).unwrap().unwrap();
    let details = Message::read(leaf.bytes(1).unwrap()).unwrap();
    assert_eq!(details.bytes(3).unwrap(), known);
    let r#static = state.encrypt(&me.public).unwrap();
    state.mix_key(&me.agree(&theirs));
    let payload = state.encrypt(&Writer::default().number(1, 7).done()).unwrap();
    let finish = Writer::default().bytes(1, r#static).bytes(2, payload);
    let finished = server.finish(&Writer::default().message(4, finish).done()).unwrap();
    let (to_server, from_server) = state.split();
    let client = Transport { read: Cipher::new(&from_server), write: Cipher::new(&to_server) };
    (finished, client)
}

#[test]
fn a_client_shakes_hands_and_both_understand_each_other() {
    for knows_the_server in [false, true] {
        let (Finished { payload, transport: mut server }, mut client) = shake(knows_the_server);
        assert_eq!(Message::read(&payload).unwrap().number(1), Some(7));
        for text in [b"one".as_slice(), b"two"] {
            assert_eq!(server.decrypt(&client.encrypt(text).unwrap()).unwrap(), text);
            assert_eq!(client.decrypt(&server.encrypt(text).unwrap()).unwrap(), text);
        }
        let mut damaged = client.encrypt(b"three").unwrap();
        damaged[0] ^= 1;
        assert_eq!(server.decrypt(&damaged), Err(NoiseError::Decrypt("a frame")));
    }
}

#[test]
fn a_hello_that_is_none_is_refused() {
    let answer = |hello: &[u8]| {
        let ephemeral = KeyPair::of_label("server ephemeral");
        Handshake::answer(&ServerIdentity::new(), *b"WA\x06\x03", ephemeral, hello).unwrap_err()
    };
    assert_eq!(answer(&[]), NoiseError::Missing("client hello"));
    assert_eq!(answer(&[0xff]), NoiseError::Malformed(Malformed::Cut));
    let short = Writer::default().message(2, Writer::default().bytes(1, [1; 31])).done();
    assert_eq!(answer(&short), NoiseError::Key("the ephemeral key"));
}
