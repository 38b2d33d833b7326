import { DeadList } from './dead-list.ts';
import { Group } from './group.ts';
import type { Message, MessageState } from './message.ts';
import { BoxList, LaneList } from './message-list.ts';
import type { Tenant } from './tenant.ts';

/** What has happened in a box since the node started. */
export interface BoxCounters {
  sent: number;
  duplicates: number;
  delivered: number;
  redelivered: number;
  acked: number;
  expired: number;
  deleted: number;
}

/** A queue of one tenant. It comes with its first message, and is forgotten when it was empty for long enough. */
export class Box {
  readonly tenant: Tenant;
  readonly name: string;
  /** All that are alive, in the order of sending. */
  readonly alive = new BoxList<Message>();
  readonly dead = new DeadList();
  readonly counts: Record<Exclude<MessageState, 'gone'>, number> = { ready: 0, delayed: 0, leased: 0, dead: 0 };
  readonly counters: BoxCounters = {
    sent: 0,
    duplicates: 0,
    delivered: 0,
    redelivered: 0,
    acked: 0,
    expired: 0,
    deleted: 0,
  };
  bytes = 0;
  /** Since when nothing is in it. */
  emptyMs = 0;
  /** By priority; made when first needed. */
  readonly #lanes: (LaneList<Message> | undefined)[] = [];
  #groups: Map<string, Group> | undefined;

  constructor(tenant: Tenant, name: string) {
    this.tenant = tenant;
    this.name = name;
  }

  /** Messages of any state. */
  get size(): number {
    return this.alive.length + this.dead.length;
  }

  /** Puts a ready message where receivers find it, unless another of its group comes first. False then. */
  offer(message: Message, front = false): boolean {
    if (message.group !== undefined && message.group.first !== message) return false;
    const { priority } = message.origin;
    const lane = this.#lanes[priority] ?? new LaneList<Message>();
    this.#lanes[priority] = lane;
    if (front) lane.unshift(message);
    else lane.push(message);
    return true;
  }

  /** The next to lease: highest priority first, then the one that is ready for longest. */
  next(): Message | undefined {
    for (let priority = this.#lanes.length - 1; priority >= 0; priority -= 1) {
      const first = this.#lanes[priority]?.first;
      if (first !== undefined) return first;
    }
    return undefined;
  }

  /** Messages that could be leased now. */
  get offered(): number {
    let count = 0;
    for (const lane of this.#lanes) count += lane?.length ?? 0;
    return count;
  }

  join(message: Message, name: string): void {
    this.#groups ??= new Map();
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = new Group(name);
      this.#groups.set(name, group);
    }
    group.push(message);
  }

  /** Takes a message out of its group. Returns the one that comes first in its place. */
  leave(message: Message): Message | undefined {
    const { group } = message;
    if (group === undefined) return undefined;
    const wasFirst = group.first === message;
    group.remove(message);
    if (group.first === undefined) this.#groups?.delete(group.name);
    return wasFirst ? group.first : undefined;
  }
}
