import type { Env } from '@ron/kernel';
import type { MailboxEngine } from '@ron/svc-mailbox/service';
import type { AnyCommand, LeasedMessage, ReceiveCommand } from '../../contract/engines/mailbox-model.ts';
import { brokenEnv as brokenDiskEnv } from '../canaries.ts';

/** Deliberately broken builds that the checker has to catch. */
export const canaries = [
  /** A disk whose syncs say that they are done and do nothing. */
  'no-sync',
  /** Whoever holds any lease of a message may settle it. */
  'no-fence',
  /** Acks are answered before they are on the disk. */
  'early-ack',
  /** A new process does not know the keys of the one before. */
  'forgetful-keys',
  /** Leases end earlier than was said. */
  'short-leases',
  /** Groups are not kept in order. */
  'no-groups',
  /** A message is gone once it is delivered. */
  'at-most-once',
] as const;
export type Canary = (typeof canaries)[number];

export function brokenEnv(env: Env, canary: Canary | undefined): Env {
  return canary === 'no-sync' ? brokenDiskEnv(env, canary) : env;
}

/** `life`: grows with each process. */
export function brokenEngine(engine: MailboxEngine, canary: Canary | undefined, life: number): MailboxEngine {
  if (canary === undefined || canary === 'no-sync') return engine;
  const latest = new Map<string, LeasedMessage>();
  const receive = async (command: ReceiveCommand) => {
    const share = canary === 'short-leases' ? 4 : 1;
    const visibilityMs = Math.ceil(command.visibilityMs / share);
    const delivered = await engine.receive({ ...command, visibilityMs });
    for (const message of delivered) latest.set(message.id, message);
    const { tenant, box } = command;
    if (canary === 'at-most-once' && delivered.length > 0) {
      await engine.execute({ op: 'ack', tenant, box, leases: delivered.slice(0, 1) });
    }
    return delivered;
  };
  const execute = (command: AnyCommand) => {
    const broken = brokenCommand(command, canary, life, latest);
    const done = engine.execute(broken);
    if (canary !== 'early-ack' || command.op !== 'ack') return done;
    done.catch(() => undefined);
    return Promise.resolve(command.leases.map((lease) => latest.get(lease?.id ?? '')?.fence === lease?.fence));
  };
  return new Proxy(engine, {
    get(target, key) {
      if (key === 'receive') return receive;
      if (key === 'execute') return execute;
      const member: unknown = Reflect.get(target, key, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

function brokenCommand(
  command: AnyCommand,
  canary: Canary,
  life: number,
  latest: ReadonlyMap<string, LeasedMessage>,
): AnyCommand {
  if (command.op === 'send' && canary === 'no-groups') return { ...command, group: undefined };
  if (command.op === 'send' && canary === 'forgetful-keys' && command.key !== undefined) {
    const hash = `${command.key.hash.slice(0, 13)}${String(life).padStart(3, '0')}`;
    return { ...command, key: { ...command.key, hash } };
  }
  if ('leases' in command && canary === 'no-fence') {
    return { ...command, leases: command.leases.map((lease) => latest.get(lease?.id ?? '') ?? lease) };
  }
  return command;
}
