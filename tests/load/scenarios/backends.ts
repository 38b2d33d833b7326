import { setTimeout as sleep } from 'node:timers/promises';
import { recoveryMs } from '../measure/recovery.ts';
import { mergedTimeline, summarize, totalOf } from '../measure/summary.ts';
import { ms, number, reasons } from '../report/format.ts';
import type { Run, Scenario, Stage, Verdict } from '../scenario.ts';
import { judged } from '../verdicts.ts';

const recoveryMsMax = 5_000;

/** One of two backends is gone from one moment to the next: what was under way there is asked of the other. */
export const backendKilled: Scenario = {
  name: 'backend-killed',
  what: 'SIGKILL of one of two backends: no failed read, recovery < 5 s',
  through: 'omnigate',
  mix: 'reads',
  async run(stage) {
    const [victim] = stage.target.backends;
    if (victim === undefined) return [noBackends];
    const [beforeMs, goneMs, backMs] = stage.pick([10_000, 10_000, 15_000], [2_000, 3_000, 3_000]);
    const load = startLoad(stage, beforeMs + goneMs + backMs);
    await sleep(beforeMs);
    const killedAtMs = Date.now();
    await victim.kill();
    await sleep(goneMs);
    stage.watch(`backend ${victim.name}`, await victim.start());
    return verdictsOf(await load, killedAtMs);
  },
};

/** Each backend drains, ends and comes back, one after the other, as a deploy does it. */
export const rollingRestart: Scenario = {
  name: 'rolling-restart',
  what: 'both backends restart, one after the other: no failed read, recovery < 5 s',
  through: 'omnigate',
  mix: 'reads',
  async run(stage) {
    const { backends } = stage.target;
    if (backends.length === 0) return [noBackends];
    const restMs = stage.pick(8_000, 2_000);
    const load = startLoad(stage, restMs * (1 + 2 * backends.length));
    let lastMs = 0;
    await sleep(restMs);
    for (const backend of backends) {
      await backend.stop();
      stage.watch(`backend ${backend.name}`, await backend.start());
      lastMs = Date.now();
      await sleep(restMs);
    }
    return verdictsOf(await load, lastMs);
  },
};

const noBackends: Verdict = {
  bar: 'no failed read',
  found: 'the backends of a running target are not ours',
  met: undefined,
};

/** A third of what two backends do together is less than one does alone. */
async function startLoad(stage: Stage, lengthMs: number): Promise<Run> {
  const { perSecond } = await stage.saturation();
  const phases = [{ name: 'reads', seconds: lengthMs / 1_000, perSecond: perSecond / 3 }];
  return await stage.load([{ tenant: 'reader', phases }], { label: 'reads' });
}

function verdictsOf(run: Run, fromWallMs: number): Verdict[] {
  const { refusals, failures, late } = summarize(run.result.phases);
  const lost = totalOf(refusals) + totalOf(failures);
  const found = lost === 0 ? '0' : reasons({ ...refusals, ...failures });
  const points = mergedTimeline(Object.values(run.result.timelines));
  const took = recoveryMs(points, fromWallMs - run.result.startedAtMs, 250);
  return [
    judged([run], 'no read fails', `${found}${late > 0 ? `; ${number(late)}/s late` : ''}`, lost === 0),
    judged(
      [run],
      'recovered < 5 s',
      took === undefined ? 'not within the run' : ms(took),
      (took ?? Number.POSITIVE_INFINITY) < recoveryMsMax,
    ),
  ];
}
