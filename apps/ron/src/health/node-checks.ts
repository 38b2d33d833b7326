import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { performance } from 'node:perf_hooks';
import { policyService } from '@ron/app-sdk/services';
import { biscuitPrefix, rightsAllow } from '@ron/cap';
import type { CapabilityView } from '@ron/proto/capability';
import type { CheckedFinding } from '../commands/doctor.ts';
import { exitCodes } from '../exit-codes.ts';
import { reportOf } from '../output/error-report.ts';
import { formatDuration, formatTime } from '../output/format.ts';
import type { Session } from '../session.ts';
import { urlForMessages } from '../settings.ts';

/** Clock skew that capabilities tolerate; the protocol's limit. */
const skewMsMax = 60_000;
const expiresSoonMs = 24 * 3_600_000;
const answerMsMax = 5_000;

/** What the node says, each step resting on the one before. */
export async function* nodeChecks(session: Session): AsyncGenerator<CheckedFinding> {
  const reached = await guarded(session, 'node', () => reach(session));
  yield* reached.findings;
  const view = capability(session);
  yield view.finding;
  if (!reached.ok) return;
  yield* await clock(session);
  yield* (await guarded(session, 'trust', () => trust(session))).findings;
  if (view.grant === undefined) return;
  const accepted = await guarded(session, 'capability at the node', () => accept(session));
  yield* accepted.findings;
  if (accepted.ok) yield* (await guarded(session, 'round trip', () => roundTrip(session, view.grant!))).findings;
}

type Findings = readonly CheckedFinding[];

/** A check that throws is a finding too. */
async function guarded(session: Session, check: string, run: () => Promise<Findings>) {
  try {
    const findings = await run();
    return { findings, ok: findings.every(({ verdict }) => verdict !== 'fail') };
  } catch (thrown) {
    if (session.signal.aborted) throw thrown;
    const report = reportOf(thrown, { command: 'ron doctor', url: urlForMessages(session.settings) });
    const fix = report.exitCode === exitCodes.unavailable ? 'npm start   (or set RON_NODE_URL)' : report.next;
    const detail = `${report.message} (${report.why})`;
    const finding: CheckedFinding = { check, verdict: 'fail', detail, fix, exit: report.exitCode };
    return { findings: [finding], ok: false };
  }
}

async function reach({ client, signal }: Session): Promise<Findings> {
  const startedMs = performance.now();
  const { ready, gates } = await client.node.readiness({ signal, timeoutMs: answerMsMax });
  const tookMs = performance.now() - startedMs;
  const { name, version } = await client.node.version({ signal, timeoutMs: answerMsMax });
  const detail = `${String(name)} ${String(version)} answers in ${formatDuration(tookMs)}`;
  const closed = gates.filter(({ ok }) => !ok);
  return [
    { check: 'node', verdict: 'ok', detail },
    ready
      ? { check: 'readiness', verdict: 'ok', detail: `${gates.length} gates open` }
      : {
          check: 'readiness',
          verdict: 'fail',
          detail: closed.map(({ gate, reason }) => `${gate}: ${reason ?? 'closed'}`).join('; '),
          fix: "look at the node's log, then: ron status",
          exit: exitCodes.unavailable,
        },
  ];
}

function capability({ client, settings }: Session): { finding: CheckedFinding; grant?: CapabilityView } {
  const check = 'capability';
  const get = 'export RON_CAP=…   (the node prints the line when it starts)';
  try {
    if (settings.capability.value === undefined) {
      const detail = 'none: only what is public can be read';
      return { finding: { check, verdict: 'fail', detail, fix: get, exit: exitCodes.notAllowed } };
    }
    if (settings.capability.value.startsWith(biscuitPrefix)) {
      return { finding: { check, verdict: 'ok', detail: 'ed25519, which only a node can read' } };
    }
    const view = client.caps.inspect();
    return { finding: validity(check, view, get), grant: view };
  } catch (thrown) {
    const detail = thrown instanceof Error ? thrown.message : 'unreadable';
    return { finding: { check, verdict: 'fail', detail, fix: get, exit: exitCodes.configuration } };
  }
}

function validity(check: string, view: CapabilityView, fix: string): CheckedFinding {
  const nowMs = Date.now();
  const { expires_at = Number.POSITIVE_INFINITY, not_before = 0, subject } = view;
  if (expires_at <= nowMs) {
    return { check, verdict: 'fail', detail: `expired at ${formatTime(expires_at)}`, fix, exit: exitCodes.notAllowed };
  }
  if (not_before > nowMs) {
    const detail = `valid only from ${formatTime(not_before)}`;
    return { check, verdict: 'fail', detail, fix, exit: exitCodes.notAllowed };
  }
  if (expires_at === Number.POSITIVE_INFINITY) {
    return { check, verdict: 'ok', detail: `of ${subject}, does not expire` };
  }
  const detail = `of ${subject}, expires in ${formatDuration(expires_at - nowMs)}`;
  return expires_at - nowMs < expiresSoonMs
    ? { check, verdict: 'warn', detail, fix }
    : { check, verdict: 'ok', detail };
}

async function clock({ settings }: Session): Promise<Findings> {
  const check = 'clock';
  const beforeMs = Date.now();
  const nodeMs = await serverTimeMs(settings.url.value);
  if (nodeMs === undefined) return [];
  const halfWayMs = (beforeMs + Date.now()) / 2;
  // The Date field counts whole seconds.
  const skewMs = Math.max(0, Math.abs(nodeMs + 500 - halfWayMs) - 500);
  const detail = `${formatDuration(skewMs)} apart from the node's`;
  if (skewMs <= skewMsMax) return [{ check, verdict: 'ok', detail }];
  return [{ check, verdict: 'fail', detail, fix: 'timedatectl set-ntp true', exit: exitCodes.other }];
}

/** Whether a policy is in force, and whether the audit log answers for what it signed. */
async function trust({ client, signal }: Session): Promise<Findings> {
  const call = { signal, timeoutMs: answerMsMax };
  const { version, expired } = await client.call(policyService, 'hash', {}, call);
  const { origin, size } = await client.audit.checkpoint(call);
  const fix = 'ron policy show; then sign and activate one with a later date';
  const policy = {
    check: 'policy',
    detail: version === 0 ? 'none: what a capability allows is allowed' : `version ${version}`,
  };
  return [
    expired
      ? { ...policy, verdict: 'warn', detail: `${policy.detail}, past its date`, fix }
      : { ...policy, verdict: 'ok' },
    { check: 'audit', verdict: 'ok', detail: `${size} entries in ${origin}, checkpoint signed` },
  ];
}

/** The Date field (RFC 9110, 6.6.1) of an answer, to the second; undefined when there is none. */
function serverTimeMs(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const asking = request(`${url}/healthz`, { method: 'HEAD', timeout: answerMsMax, agent: false }, (reply) => {
      reply.resume();
      const ms = Date.parse(reply.headers.date ?? '');
      resolve(Number.isNaN(ms) ? undefined : ms);
    });
    asking.on('timeout', () => asking.destroy());
    asking.on('error', () => resolve(undefined));
    asking.end();
  });
}

async function accept({ client, signal }: Session): Promise<Findings> {
  const { subject, id } = await client.caps.whoami({ signal, timeoutMs: answerMsMax });
  return [{ check: 'capability at the node', verdict: 'ok', detail: `accepted as ${subject}, id ${id}` }];
}

/** Stores a few random bytes and reads them back, verified. */
async function roundTrip({ client, signal }: Session, view: CapabilityView): Promise<Findings> {
  const check = 'round trip';
  const may = (method: 'read' | 'write') => view.rights.every((list) => rightsAllow(list, method, 'o/'));
  if (!may('write') || !may('read')) {
    return [{ check, verdict: 'ok', detail: 'left out: the capability does not allow to write and read objects' }];
  }
  const startedMs = performance.now();
  const content = randomBytes(1_024);
  const { address, durability } = await client.blobs.put(content, { signal, timeoutMs: answerMsMax });
  const reply = await client.blobs.get(address, { signal, timeoutMs: answerMsMax });
  const same = Buffer.compare(await reply.bytes(), content) === 0;
  const took = formatDuration(performance.now() - startedMs);
  if (!same) {
    const detail = 'other bytes came back';
    return [{ check, verdict: 'fail', detail, fix: 'ron scrub start', exit: exitCodes.integrity }];
  }
  return [{ check, verdict: 'ok', detail: `1 KiB stored (${durability ?? 'known'}), read and verified in ${took}` }];
}
