import type { Lane, RequestKind } from './plan.ts';
import { createChooser, type Random, zipfWeights } from './random.ts';

/** One request as it goes on the wire, and what a right answer to it is. */
export interface Prepared {
  readonly bytes: string | Uint8Array;
  /** A read, which may be sent again when a connection that was idle turns out closed. */
  readonly isRead: boolean;
  readonly expectedBytes: number | undefined;
  /** Set when the answer leads to another request. */
  readonly box: string | undefined;
}

/** Popularity of objects, names and boxes. Web caches see exponents of 0.6 to 0.9 (Breslau and others, INFOCOM 1999). */
const zipfExponent = 0.8;

/** Draws the requests of a lane, in the proportions of its mix. */
export function createRequests(lane: Lane, host: string, random: Random): () => Prepared {
  const choose = createChooser(
    lane.requests.map(({ share }) => share),
    random,
  );
  const makers = lane.requests.map((request) => makerOf(request, headOf(lane, host), random));
  return () => makers[choose()]!();
}

/** `POST /mailbox/…/ack` for what came, or undefined when nothing did. */
export function acknowledgement(lane: Lane, host: string, box: string, body: string): Prepared | undefined {
  const leases = [...body.matchAll(/"lease":"([^"]+)"/g)].map(([, lease]) => lease);
  if (leases.length === 0) return undefined;
  return plain(jsonRequest(headOf(lane, host), 'POST', `/mailbox/${box}/ack`, { leases }));
}

function headOf({ capability }: Lane, host: string): string {
  return `Host: ${host}\r\n${capability === '' ? '' : `Authorization: Bearer ${capability}\r\n`}`;
}

function plain(bytes: string | Uint8Array, more: Partial<Prepared> = {}): Prepared {
  return { bytes, isRead: false, expectedBytes: undefined, box: undefined, ...more };
}

function jsonRequest(head: string, method: string, target: string, body: unknown): string {
  const text = JSON.stringify(body);
  const length = Buffer.byteLength(text);
  return `${method} ${target} HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${Buffer.from(text).toString('latin1')}`;
}

function makerOf(request: RequestKind, head: string, random: Random): () => Prepared {
  switch (request.kind) {
    case 'get':
      return oneOf(request.targets, random, (target) =>
        plain(`GET ${target} HTTP/1.1\r\n${head}\r\n`, { isRead: true, expectedBytes: request.bytes }),
      );
    case 'json':
      return oneOf(request.targets, random, (target) => plain(jsonRequest(head, request.method, target, request.body)));
    case 'recv':
      return oneOf(request.boxes, random, (box) =>
        plain(jsonRequest(head, 'POST', `/mailbox/${box}/recv`, { max: request.max }), { box }),
      );
    case 'put': {
      const { method, target, bytes } = request;
      const before = Buffer.from(`${method} ${target} HTTP/1.1\r\n${head}Content-Length: ${bytes}\r\n\r\n`, 'latin1');
      return () => {
        const all = Buffer.allocUnsafe(before.length + bytes);
        before.copy(all);
        all.fill(0x2e, before.length);
        all.write(`${random()}${random()}${random()}`.slice(0, bytes), before.length, 'latin1');
        return plain(all);
      };
    }
  }
}

/** All variants are written once. */
function oneOf(items: readonly string[], random: Random, prepare: (item: string) => Prepared): () => Prepared {
  if (items.length === 0) throw new RangeError('a request without a target');
  const prepared = items.map(prepare);
  const choose = createChooser(zipfWeights(items.length, zipfExponent), random);
  return () => prepared[choose()]!;
}
