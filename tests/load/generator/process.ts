import { OpenLoop } from './open-loop.ts';
import type { LoadPlan } from './plan.ts';

/** The generator's own process: a plan comes, its result goes back. Ends with its parent. */
process.on('message', (plan: LoadPlan) => {
  const answer = (message: object) => void process.send?.(message);
  new OpenLoop(plan).run().then(
    (result) => answer({ result }),
    (error: unknown) => answer({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
process.once('disconnect', () => process.exit(0));
