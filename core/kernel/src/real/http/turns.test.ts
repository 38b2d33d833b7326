import { beforeEach, describe, expect, it } from 'vitest';
import { Turns } from './turns.ts';

/** Time passes only where a handler works: what the machine does besides is none of it. */
let nowMs = 0;
beforeEach(() => {
  nowMs = 1_000;
});
const createTurns = () => new Turns(() => nowMs);

const turnOfLoop = () => new Promise<void>((resolve) => setImmediate(resolve));

function busy(ms: number): void {
  nowMs += ms;
}

/** Of connections that came some turns ago. */
async function crowded(): Promise<Turns> {
  const turns = createTurns();
  for (let at = 0; at <= 64; at += 1) turns.connected();
  await turnOfLoop();
  turns.take(() => undefined);
  await turnOfLoop();
  return turns;
}

describe('turns', () => {
  it('nobody queues while there are few connections', () => {
    const turns = createTurns();
    for (let at = 0; at < 64; at += 1) turns.connected();
    let ran = 0;
    for (let at = 0; at < 200; at += 1) {
      turns.take(() => {
        ran += 1;
        busy(0.1);
      });
    }
    expect(ran).toBe(200);
  });

  it('all run once, first come first served, and none for longer than a turn in one go', async () => {
    const turns = await crowded();
    const order: number[] = [];
    for (let at = 0; at < 300; at += 1) {
      turns.take(() => {
        order.push(at);
        busy(0.5);
      });
    }
    // 8 ms of 0.5 ms each.
    expect(order.length).toBe(16);
    expect(turns.waiting).toBe(284);
    let most = 0;
    while (order.length < 300) {
      const before = order.length;
      await turnOfLoop();
      most = Math.max(most, order.length - before);
    }
    expect(most).toBe(16);
    expect(order).toEqual(Array.from({ length: 300 }, (_, at) => at));
    expect(turns.waiting).toBe(0);
  });

  it('addresses take turns: who sends one waits for one of each other address, however many those have sent', async () => {
    const turns = await crowded();
    turns.take(() => busy(9), 'noisy');
    const order: string[] = [];
    for (let at = 0; at < 3_000; at += 1) turns.take(() => void order.push('noisy'), 'noisy');
    turns.take(() => void order.push('quiet'), 'quiet');
    turns.take(() => void order.push('other'), 'other');
    while (order.length < 3_002) await turnOfLoop();
    expect(order.indexOf('quiet')).toBeLessThanOrEqual(2);
    expect(order.indexOf('other')).toBeLessThanOrEqual(3);
    expect(turns.waiting).toBe(0);
  });

  it('each is told how long it stood in line', async () => {
    const turns = await crowded();
    turns.take(() => busy(9));
    const waited: number[] = [];
    for (let at = 0; at < 3; at += 1) {
      turns.take((waitedMs) => {
        waited.push(waitedMs);
        busy(5);
      }, 'a');
    }
    while (waited.length < 3) await turnOfLoop();
    expect(waited).toEqual([0, 5, 10]);
  });

  it('probes go ahead, but those who send hundreds of them stand in line like everybody else', async () => {
    const turns = await crowded();
    turns.take(() => busy(9), 'a');
    let answered = 0;
    const order: string[] = [];
    const answer = () => {
      answered += 1;
    };
    for (let at = 0; at < 500; at += 1) turns.takeProbe(answer, 'flood');
    expect(answered).toBe(16);
    turns.take(() => void order.push(`after ${answered > 400 ? 'all' : 'few'} probes`), 'quiet');
    while (answered < 500 || order.length === 0) await turnOfLoop();
    expect(order).toEqual(['after few probes']);
  });

  it('what one handler awaits goes on before the next one begins', async () => {
    const turns = await crowded();
    turns.take(() => busy(9));
    const order: string[] = [];
    const done = [0, 1, 2].map((at) => {
      return new Promise<void>((resolve) => {
        turns.take(() => {
          order.push(`${at} begins`);
          void Promise.resolve().then(() => {
            order.push(`${at} ends`);
            resolve();
          });
        });
      });
    });
    await Promise.all(done);
    expect(order).toEqual(['0 begins', '0 ends', '1 begins', '1 ends', '2 begins', '2 ends']);
  });

  it('whoever comes while others wait does not pass them, however little there is to do', async () => {
    const turns = await crowded();
    const order: string[] = [];
    turns.take(() => busy(9));
    turns.take(() => void order.push('waits'));
    turns.take(() => void order.push('comes later'));
    await turnOfLoop();
    await turnOfLoop();
    turns.take(() => void order.push('comes last'));
    while (order.length < 3) await turnOfLoop();
    expect(order).toEqual(['waits', 'comes later', 'comes last']);
  });

  it('those who come are taken in soon: a turn in which one came is short', async () => {
    const turns = await crowded();
    let ran = 0;
    const fill = () => {
      for (let at = 0; at < 100; at += 1) {
        turns.take(() => {
          ran += 1;
          busy(0.5);
        });
      }
    };
    turns.connected();
    fill();
    // 4 ms of 0.5 ms each, where another turn has 16.
    expect(ran).toBe(8);
    await turnOfLoop();
    expect(ran).toBe(16);
    while (ran < 100) await turnOfLoop();
  });
});
