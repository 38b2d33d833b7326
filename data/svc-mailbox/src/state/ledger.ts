import { Box } from './box.ts';
import type { BoxKey, SendRefusal } from './command.ts';
import type { Message, MessageState } from './message.ts';
import { Tenant } from './tenant.ts';

/** Budgets; read at each use, so that a reload holds at once. */
export interface LedgerLimits {
  readonly tenantMessagesMax: number;
  readonly tenantBytesMax: number;
  /** Boxes with a message in them. */
  readonly tenantBoxesMax: number;
  readonly messagesMax: number;
  readonly bytesMax: number;
  /** Boxes, empty ones included. */
  readonly boxesMax: number;
}

/** An empty box keeps its counters for this long. */
export const emptyBoxMs = 86_400_000;
/** So that no call takes long. */
const boxesAtOnce = 256;

/** Who holds how much: tenants, their boxes, and the sums over all of them. */
export class Ledger {
  readonly #limits: () => LedgerLimits;
  readonly #tenants = new Map<string, Tenant>();
  /** Boxes without a message, the one that is empty for longest first. */
  readonly #empty = new Set<Box>();
  readonly counts: Record<Exclude<MessageState, 'gone'>, number> = { ready: 0, delayed: 0, leased: 0, dead: 0 };
  boxes = 0;
  messages = 0;
  bytes = 0;

  constructor(limits: () => LedgerLimits) {
    this.#limits = limits;
  }

  tenant(name: string): Tenant | undefined {
    return this.#tenants.get(name);
  }

  find({ tenant, box }: BoxKey): Box | undefined {
    return this.#tenants.get(tenant)?.boxes.get(box);
  }

  /** Why the box cannot take a message of this size; undefined when it can. */
  refusal({ tenant: name, box: boxName }: BoxKey, sizeBytes: number): SendRefusal | undefined {
    const limits = this.#limits();
    const tenant = this.#tenants.get(name);
    const box = tenant?.boxes.get(boxName);
    if ((tenant?.messages ?? 0) >= limits.tenantMessagesMax) return 'tenant-messages';
    if ((tenant?.bytes ?? 0) + sizeBytes > limits.tenantBytesMax) return 'tenant-bytes';
    const takesBox = box === undefined || box.size === 0;
    if (takesBox && (tenant?.busyBoxes ?? 0) >= limits.tenantBoxesMax) return 'tenant-boxes';
    if (this.messages >= limits.messagesMax) return 'messages';
    if (this.bytes + sizeBytes > limits.bytesMax) return 'bytes';
    if (box === undefined && this.boxes >= limits.boxesMax && this.#empty.size === 0) return 'boxes';
    return undefined;
  }

  /** The box, made when it is not there. An empty one makes room for it when there are too many. */
  open({ tenant: name, box: boxName }: BoxKey, nowMs: number): Box {
    const tenant = this.#tenants.get(name) ?? new Tenant(name);
    this.#tenants.set(name, tenant);
    const present = tenant.boxes.get(boxName);
    if (present !== undefined) return present;
    const box = new Box(tenant, boxName);
    tenant.boxes.set(boxName, box);
    tenant.names.add(boxName);
    this.boxes += 1;
    this.#rest(box, nowMs);
    const [oldest] = this.#empty;
    if (this.boxes > this.#limits().boxesMax && oldest !== undefined && oldest !== box) this.#forget(oldest);
    return box;
  }

  /** Counts a message of a box that has been put into one of its lists. */
  add(message: Message): void {
    const { box, origin } = message;
    if (box.size === 1) {
      this.#empty.delete(box);
      box.tenant.busyBoxes += 1;
    }
    box.bytes += origin.sizeBytes;
    box.tenant.messages += 1;
    box.tenant.bytes += origin.sizeBytes;
    this.messages += 1;
    this.bytes += origin.sizeBytes;
    this.#count(message, 1);
  }

  /** After it was taken out of the lists of its box. */
  remove(message: Message, nowMs: number): void {
    const { box, origin } = message;
    this.#count(message, -1);
    box.bytes -= origin.sizeBytes;
    box.tenant.messages -= 1;
    box.tenant.bytes -= origin.sizeBytes;
    this.messages -= 1;
    this.bytes -= origin.sizeBytes;
    if (box.size > 0) return;
    box.tenant.busyBoxes -= 1;
    this.#rest(box, nowMs);
  }

  move(message: Message, state: Exclude<MessageState, 'gone'>): void {
    this.#count(message, -1);
    message.state = state;
    this.#count(message, 1);
  }

  /** Forgets boxes that have been empty for `emptyBoxMs`, some at a time. */
  advance(nowMs: number): void {
    let left = boxesAtOnce;
    for (const box of this.#empty) {
      if (left === 0 || nowMs - box.emptyMs < emptyBoxMs) return;
      this.#forget(box);
      left -= 1;
    }
  }

  #count({ state, box }: Message, by: number): void {
    if (state === 'gone') throw new Error('a message that is gone is not counted');
    box.counts[state] += by;
    this.counts[state] += by;
  }

  #rest(box: Box, nowMs: number): void {
    box.emptyMs = nowMs;
    this.#empty.add(box);
  }

  #forget(box: Box): void {
    this.#empty.delete(box);
    const { tenant } = box;
    tenant.boxes.delete(box.name);
    tenant.names.remove(box.name);
    this.boxes -= 1;
    if (tenant.boxes.size === 0) this.#tenants.delete(tenant.name);
  }
}
