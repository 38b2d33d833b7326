import { servicePrincipal } from '@ron/auth';
import { createBus, createMetrics, type Env, type KernelEvent, type Log } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { mailboxContract } from '@ron/proto/mailbox';
import { bindLocal, hostService } from '@ron/service';
import {
  createRamMailboxes,
  MailboxConfig,
  type MailboxEngine,
  mailbox,
  openJournalMailboxes,
} from '@ron/svc-mailbox/service';
import { Value } from 'typebox/value';
import { type Contestant, drive } from './contestant.ts';
import { cycleOf } from './our-node.ts';

export type EngineName = 'ram' | 'journal';

const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => silent };
const bytesMax = 16 * 1_024 ** 3;

function nothing(): void {
  // A benchmark has no log.
}

/** `more` than the defaults allow, for counts that a tenant may not reach. */
export function configOf(more: Partial<MailboxConfig> = {}): MailboxConfig {
  return { ...Value.Create(MailboxConfig), ...more };
}

/** The engine alone. `env` has the folder of the journal as its root. */
export async function openEngine(name: EngineName, env: Env, config: MailboxConfig): Promise<MailboxEngine> {
  const options = { env, config: () => config, bytesMax };
  return name === 'ram' ? createRamMailboxes(options) : openJournalMailboxes({ ...options, folder: 'mailbox' });
}

/** The service behind its whole pipeline (validation, authorisation, metrics), called without a wire. */
export async function startInProcess(folder: string): Promise<Contestant> {
  const env = createRealEnv({ root: folder });
  const config = configOf();
  const mailboxes = await openEngine('journal', env, config);
  const service = await hostService(
    mailbox,
    {
      env,
      bus: createBus<KernelEvent>(),
      metrics: createMetrics(),
      log: silent,
      authenticator: { authenticate: refuse },
    },
    {
      config: { current: () => config, onChange: () => ({ [Symbol.dispose]: nothing }) },
      peers: {},
      engines: { mailboxes },
    },
  );
  const principal = servicePrincipal('bench', [{ methods: ['read', 'write'], prefix: '' }]);
  const { send, recv, ack, stats } = bindLocal(mailboxContract, () => service.dispatcher, principal, env);
  return {
    name: 'svc-mailbox in process',
    run: (clients, seconds) => drive(async () => cycleOf({ send, recv, ack }, async () => undefined), clients, seconds),
    pids: async () => [process.pid],
    async left() {
      const { ready, delayed, in_flight, dead } = await stats({ box: 'queue' });
      return ready + delayed + in_flight + dead;
    },
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await mailboxes[Symbol.asyncDispose]();
    },
  };
}

function refuse(): never {
  throw new Error('the benchmark calls as a service');
}
