import { randomInt } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { type Attack, many, Tally } from '../attack.ts';
import { COMP, END, frame, gatewayApp, hello, oneShot, payloadOf, probe, RawOap, REQ } from '../raw-oap.ts';
import { body, goodbye, MiB, noneLeft, upload, whoami } from './oap-words.ts';
import { plain } from './settings.ts';

const lies: Attack = {
  name: 'lengths 0, 1, 32, max + 1, 2^31, 2^32 − 1, × 50 each',
  area: 'oap',
  expected: 'said why and closed, before anything is allocated',
  quick: true,
  setting: plain,
  async run(target) {
    const tally = new Tally();
    const lengths = [0, 1, 32, MiB + 1, 0x7fffffff, 0xffffffff];
    await many(50 * lengths.length, 20, async (index) => {
      using client = await new RawOap(target.node.oapPort).ready();
      client.say(frame({ len: lengths[index % lengths.length]! }).subarray(0, 4));
      tally.add(await goodbye(client));
      await client.end();
    });
    target.check(tally.of('len_too_small') === 150 && tally.of('len_too_large') === 150, String(tally));
    target.counted('len_too_small');
    target.counted('len_too_large');
    target.saw(String(tally));
    await noneLeft(target);
  },
};

const splits: Attack = {
  name: 'one conversation split at every offset',
  area: 'oap',
  expected: 'the same answer each time',
  quick: true,
  setting: plain,
  async run(target) {
    const words = Buffer.concat([
      probe,
      whoami(target, 1),
      upload(target, 2),
      body(2, Buffer.from('split'), REQ | END),
    ]);
    const answers = new Tally();
    await many(words.length - 1, 16, async (at) => {
      using client = new RawOap(target.node.oapPort);
      client.say(words.subarray(0, at + 1));
      await new Promise((resolve) => setTimeout(resolve, 2));
      client.say(words.subarray(at + 1));
      const [first, second] = [await client.answer(1), await client.answer(2)];
      answers.add(`${first.code} ${second.code} ${/b3:[0-9a-f]{8}/.exec(second.payload.toString())?.[0]}`);
    });
    target.check(answers.lines.length === 1, String(answers));
    target.saw(`${words.length - 1} offsets: ${answers}`);
    await noneLeft(target);
  },
};

const truncated: Attack = {
  name: 'frames cut short, then FIN or RST, × 600',
  area: 'oap',
  expected: 'nothing left',
  quick: true,
  setting: plain,
  async run(target) {
    await many(600, 20, async (index) => {
      using client = await new RawOap(target.node.oapPort).ready();
      const whole =
        index % 3 === 0 ? whoami(target, 1) : Buffer.concat([upload(target, 1), body(1, Buffer.alloc(50_000))]);
      client.say(whole.subarray(0, 5 + ((index * 97) % (whole.length - 5))));
      await new Promise((resolve) => setImmediate(resolve));
      if (index % 2 === 0) client.socket.end();
      else client.socket.resetAndDestroy();
      await client.end();
    });
    target.counted('truncated_frame');
    await noneLeft(target);
  },
};

/** Frames that are right but for their fields, in an order that nobody means. */
const scrambled: Attack = {
  name: '20,000 frames with random flags, codes, streams, lengths',
  area: 'oap',
  expected: 'each connection is answered by the rules or closed',
  quick: true,
  setting: plain,
  async run(target) {
    const seed = randomInt(2 ** 31);
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return Math.floor((state / 0x80000000) * below);
    };
    const tally = new Tally();
    const conversations = Array.from({ length: 400 }, () =>
      Array.from({ length: 50 }, () =>
        frame({
          flags: random(65_536),
          code: random(3) === 0 ? random(600) : 0,
          app: [0, gatewayApp, 0x0301, random(65_536)][random(4)]!,
          stream: random(6),
          capability: random(3) === 0 ? target.node.capability : '',
          payload:
            random(2) === 0
              ? payloadOf({ op: ['whoami', 'put', 'x'][random(3)], corr_id: 'scrambled-1' }, '{}')
              : Buffer.alloc(random(300), random(256)),
        }),
      ),
    );
    await many(conversations.length, 16, async (index) => {
      using client = await new RawOap(target.node.oapPort).ready();
      client.say(...conversations[index]!);
      tally.add(await goodbye(client));
    });
    target.check(!tally.lines.some((line) => line.startsWith('internal')), String(tally));
    target.saw(`seed ${seed}: ${tally}`);
    await noneLeft(target);
  },
};

const bombs: Attack = {
  name: 'zstd bombs of 256 MiB, cut ones, COMP on nothing, × 60',
  area: 'oap',
  expected: '413 or 400 on the stream; the connection stays',
  quick: true,
  setting: plain,
  tolerance: { residentBytesMax: 128 * MiB },
  async run(target) {
    const bomb = zstdCompressSync(Buffer.alloc(256 * MiB));
    const tally = new Tally();
    const payloads = [bomb, bomb.subarray(0, 40), Buffer.alloc(0)];
    await many(60, 4, async (index) => {
      using client = await new RawOap(target.node.oapPort).ready();
      const payload = payloads[index % payloads.length]!;
      const capability = target.node.capability;
      client.say(frame({ flags: oneShot | COMP, app: gatewayApp, stream: 1, capability, payload }), whoami(target, 2));
      tally.add((await client.answer(1)).code);
      target.check((await client.answer(2)).code === 0, 'the next request was not served');
    });
    target.check(tally.of(413) >= 15 && tally.of(400) >= 15 && tally.lines.length === 2, String(tally));
    target.counted('payload_too_large');
    target.saw(String(tally));
    await noneLeft(target);
  },
};

const headers: Attack = {
  name: 'headers: depth 10^4, __proto__, duplicates, 1e309, no UTF-8',
  area: 'oap',
  expected: '400 on the stream; the connection stays',
  quick: true,
  setting: plain,
  async run(target) {
    const corr = '"corr_id":"headers-0001"';
    const forms = [
      Buffer.from(`{"op":${'['.repeat(7_500)}${']'.repeat(7_500)}}`),
      Buffer.from(`{"op":"whoami",${corr},"__proto__":{"admin":true}}`),
      Buffer.from(`{"op":"whoami","op":"put",${corr}}`),
      Buffer.from(`{"op":"whoami",${corr},"deadline_ms":1e309}`),
      Buffer.from(`{"op":"whoami",${corr},"deadline_ms":-1}`),
      Buffer.concat([Buffer.from('{"op":"'), Buffer.of(0xff, 0xc0, 0xaf), Buffer.from(`",${corr}}`)]),
      Buffer.from(`{"op":"whoami","corr_id":"x\\r\\n{}\\u0000yz"}`),
      Buffer.from(`{"op":"whoami",${corr},"priority":9}`),
    ];
    const tally = new Tally();
    using client = await new RawOap(target.node.oapPort).ready();
    for (let stream = 1; stream <= 400; stream++) {
      const head = forms[stream % forms.length]!;
      const length = Buffer.alloc(2);
      length.writeUInt16LE(head.length);
      const payload = Buffer.concat([length, head, Buffer.from('{}')]);
      client.say(frame({ flags: oneShot, app: gatewayApp, stream, capability: target.node.capability, payload }));
      const answer = await client.answer(stream);
      tally.add(answer.code);
    }
    client.say(whoami(target, 1_000));
    target.check((await client.answer(1_000)).code === 0, 'the connection is of no use any more');
    target.check(tally.of(400) === 400, String(tally));
    target.counted('bad_request');
    target.saw(String(tally));
    client[Symbol.dispose]();
    await noneLeft(target);
  },
};

const helloes: Attack = {
  name: 'HELLO missing, twice, malformed, HTTP, TLS, × 300',
  area: 'oap',
  expected: 'said why and closed',
  quick: true,
  setting: plain,
  async run(target) {
    const forms: [string, Buffer][] = [
      ['first_frame_not_hello', whoami(target, 1)],
      ['second_hello', Buffer.concat([probe, frame({ flags: oneShot, payload: '{"proto":"OAP/1"}' })])],
      ['hello_malformed', frame({ flags: oneShot, payload: 'hello' })],
      ['hello_malformed', frame({ flags: oneShot, payload: '{"proto":"OAP/1","__proto__":{}}' })],
      ['hello_max_frame', hello({ accept_max_frame: 100 })],
      ['len_too_large', Buffer.from('GET / HTTP/1.1\r\nHost: n\r\n\r\n')],
    ];
    const tally = new Tally();
    await many(300, 15, async (index) => {
      const [reason, words] = forms[index % forms.length]!;
      using client = new RawOap(target.node.oapPort);
      client.say(words);
      const said = await goodbye(client);
      tally.add(said);
      target.check(said === reason, `${said} instead of ${reason}`);
      await client.end();
    });
    for (const [reason] of forms) target.counted(reason);
    target.saw(String(tally));
    await noneLeft(target);
  },
};

export const oap: readonly Attack[] = [lies, splits, truncated, scrambled, helloes, headers, bombs];
