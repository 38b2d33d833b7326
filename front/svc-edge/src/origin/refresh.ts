import type { EdgeContext } from '../edge-context.ts';
import type { Inquiry } from '../inquiry.ts';
import { drain } from '../reply/from-origin.ts';
import { conditionalNames, validatorLines } from '../rules/conditions.ts';
import { chooseFreshened } from '../rules/freshen.ts';
import { isOriginError } from '../rules/reuse.ts';
import type { Entry } from '../store/entry.ts';
import type { Flight } from './flights.ts';
import { freshenEntry, keepEntry } from './keep.ts';
import { send } from './send.ts';

/** How long a validation may go on with nobody waiting for it. */
const refreshMs = 60_000;

/** Validates a stored response behind the back of who was just answered with it. RFC 5861, 3. One at a time. */
export function refresh(edge: EdgeContext, inquiry: Inquiry, entry: Entry): void {
  if (entry.refreshing) return;
  entry.refreshing = true;
  const flight = edge.flights.open(inquiry.key, undefined);
  const timer = edge.clock.after(refreshMs, () => flight.abort());
  void validate(edge, { ...inquiry, method: 'GET', hasContent: false }, entry, flight).finally(() => {
    timer.cancel();
    flight.land();
    entry.refreshing = false;
  });
}

async function validate(edge: EdgeContext, inquiry: Inquiry, entry: Entry, flight: Flight): Promise<void> {
  const added = validatorLines([entry.fields]);
  try {
    const received = await send(edge, inquiry, {
      method: 'GET',
      without: conditionalNames,
      added,
      signal: flight.signal,
      behind: true,
    });
    const { response } = received;
    if (response.status === 304) {
      void drain(response.body);
      const chosen = chooseFreshened([entry], ({ fields }) => fields, received.fields);
      if (chosen === undefined) edge.store.remove(entry);
      else freshenEntry(edge, inquiry, chosen, true, flight, received);
      return;
    }
    if (!isOriginError(response.status) && keepEntry(edge, inquiry, flight, received) !== undefined) return;
    void drain(response.body);
    // The origin has something else now, which is not to be kept; with an error it has said nothing about this.
    if (!isOriginError(response.status)) edge.store.remove(entry);
  } catch (failure) {
    // The stored response stays what it is: the next reader within its window causes the next try.
    if (!(failure instanceof Error)) throw failure;
  }
}
