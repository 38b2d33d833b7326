import type { SimRandom } from '@ron/kernel/sim';
import { getHead, getWhole } from './object-asks.ts';
import { jsonOf, type Session } from './session.ts';
import { Violation } from './violation.ts';

/** After each start, while no client asks: everything that was acknowledged is there. `share` of the objects are read whole. */
export async function audit(session: Session, random: SimRandom, share: number): Promise<void> {
  for (const name of session.names.names()) await auditName(session, name);
  for (const object of session.objects.all()) {
    const unknown = !object.acked && object.attempts > 0;
    if (unknown) await auditUnknown(session, object.address);
    if (random.chance(share)) await getWhole(session, object);
    else if (random.chance(0.1 + share)) await getHead(session, object);
  }
}

async function auditName(session: Session, name: string): Promise<void> {
  const now = await session.call({ method: 'GET', target: `/name/resolve/${name}` });
  const past = await session.call({ method: 'GET', target: `/name/${name}/history` });
  if (typeof now === 'string' || typeof past === 'string') return;
  if ((now.status !== 200 && now.code !== 'not_found') || (past.status !== 200 && past.code !== 'not_found'))
    throw new Violation(`name ${name} cannot be read after a start: ${now.status}, ${past.status}`);
  const records =
    past.status === 200 ? (jsonOf(past) as { records: { version: number; address: string }[] }).records : [];
  const { kept, lost } = session.names.settle(name, now.status === 200, records);
  session.saw('name change of unknown outcome kept', kept);
  session.saw('name change of unknown outcome lost', lost);
}

/** A store that was never answered: both outcomes are right, and both must occur in many runs. */
async function auditUnknown(session: Session, address: string): Promise<void> {
  const reply = await session.call({ method: 'HEAD', target: `/o/${address}` });
  if (typeof reply === 'string') return;
  session.saw(reply.status === 200 ? 'put of unknown outcome kept' : 'put of unknown outcome lost');
}
