import { startNodeProcess } from '../../support/node-process.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { ask, type Seeded, seed } from './seeding.ts';

export interface Tenant {
  readonly name: string;
  readonly capability: string;
}

export type Through = 'node' | 'omnigate';

/** What a load is aimed at. */
export interface Target extends AsyncDisposable {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** The owner's. */
  readonly capability: string;
  /** Processes that serve, by name; empty when they were started by somebody else. */
  readonly pids: Readonly<Record<string, number>>;
  readonly seeded: Seeded;
  /** Nodes behind an omnigate; empty without one. */
  readonly backends: readonly Backend[];
  /** A capability for everything, bound to the tenant; lasts an hour. */
  tenant(name: string): Promise<Tenant>;
}

/** A node behind an omnigate, which may go and come back at the same address. */
export interface Backend {
  readonly name: string;
  /** SIGKILL: nothing is drained. Resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM: it drains. Resolves when it is gone. */
  stop(): Promise<void>;
  /** Resolves with the new process id when it is ready. */
  start(): Promise<number>;
}

export interface TargetOptions {
  readonly seed: number;
  readonly persist: boolean;
  /** Further flags of the node. */
  readonly args?: readonly string[];
}

const everything = [{ methods: ['read', 'write', 'delete', 'list', 'admin'], prefix: '' }];
/** The longest that the passport service gives. */
const ttlS = 3_600;

export interface TargetParts extends Pick<Target, 'url' | 'capability' | 'pids'> {
  /** Where passports are issued, when that is not `url`. */
  readonly issuerUrl?: string;
  readonly seed: number;
  /** Absent: put there now. */
  readonly seeded?: Seeded;
  readonly backends?: readonly Backend[];
}

/** What a running target still needs: its content and how its tenants are made. */
export async function describeTarget(parts: TargetParts, dispose: () => Promise<void>): Promise<Target> {
  const { url, capability, pids, issuerUrl = url, backends = [] } = parts;
  const { hostname, port, protocol } = new URL(url);
  if (protocol !== 'http:') throw new RangeError(`${url}: the generator speaks http:// only`);
  const tenants = new Map<string, Promise<Tenant>>();
  const issue = async (name: string): Promise<Tenant> => {
    const request = { subject: `load-${name}`, tenant: name, rights: everything, ttl_s: ttlS };
    const passport = await ask<Tenant>(issuerUrl, capability, 'POST', '/passport/issue', request);
    return { name, capability: passport.capability };
  };
  return {
    url,
    host: hostname,
    port: Number(port === '' ? 80 : port),
    capability,
    pids,
    backends,
    seeded: parts.seeded ?? (await seed(url, capability, parts.seed)),
    tenant(name) {
      const known = tenants.get(name) ?? issue(name);
      tenants.set(name, known);
      return known;
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** One micronode in a process of its own, in memory unless it is to be durable. */
export async function startNodeTarget({ seed: seedNumber, persist, args = [] }: TargetOptions): Promise<Target> {
  await using stack = new AsyncDisposableStack();
  const where = persist ? { persist: stack.use(tempFolder()).path } : {};
  const { url, capability, pid } = stack.use(await startNodeProcess({ ...where, args, sheds: true }));
  const target = await describeTarget({ url, capability, pids: { node: pid }, seed: seedNumber }, () =>
    running.disposeAsync(),
  );
  const running = stack.move();
  return target;
}
