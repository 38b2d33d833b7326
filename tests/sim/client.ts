import type { SimRandom } from '@ron/kernel/sim';
import { collect, has, look, pinOrUnpin, scrub, undelete } from './keep-asks.ts';
import { bundle, listNames, removeName, resolveName, setName, viewName } from './name-asks.ts';
import { get, put, putBrokenOff, putWrong } from './object-asks.ts';
import type { Client, Session } from './session.ts';
import { upload } from './upload-asks.ts';

type Asking = (client: Client) => Promise<void>;

/** How often what is asked, of 100. */
const mix: readonly (readonly [number, Asking])[] = [
  [24, put],
  [3, putWrong],
  [3, putBrokenOff],
  [20, get],
  [5, has],
  [9, setName],
  [3, removeName],
  [7, resolveName],
  [2, listNames],
  [4, viewName],
  [4, bundle],
  [5, upload],
  [4, pinOrUnpin],
  [3, collect],
  [1, undelete],
  [1, scrub],
  [2, look],
];

function choose(random: SimRandom): Asking {
  let at = random.integer(mix.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, ask] of mix) {
    at -= weight;
    if (at < 0) return ask;
  }
  return get;
}

/** One client: asks, thinks a moment, asks again. */
export async function runClient(session: Session, name: string, asks: number): Promise<void> {
  const client: Client = { session, name, random: session.world.random.fork(name) };
  for (let count = 0; count < asks; count++) {
    const ask = choose(client.random);
    // An upload waits for the node by itself, between its pieces.
    if (ask === upload) await ask(client);
    else await session.turn(() => ask(client));
    // Mostly at once; now and then long enough for grace and trash to pass.
    await session.sleep(client.random.chance(0.005) ? client.random.unit() * 30_000 : client.random.unit() * 6);
  }
}
