import { omnigateContract } from '@ron/proto/omnigate';
import { defineService, type Ports } from '@ron/service';
import { OmnigateConfig } from './config.ts';
import type { Front } from './front.ts';
import { createBackends } from './handlers/backends.ts';
import { createDrainBackend } from './handlers/drain-backend.ts';

export { type BackendAddress, backendsMax } from './backends/backends.ts';
export { OmnigateConfig } from './config.ts';
export { createFront, type Front, type FrontOptions } from './front.ts';

/** Chosen by the profile, which also closes it: its dispatchers go on while this service stops. */
export interface OmnigateEngines {
  readonly front: Front;
}

type OmnigatePorts = Ports<OmnigateConfig, Record<never, never>, OmnigateEngines>;

/** What the front answers about itself. What it passes on goes through `Front.dispatcher`. */
export const omnigate = defineService({
  contract: omnigateContract,
  config: OmnigateConfig,
  uses: {},
  async start({ engines: { front }, log }: OmnigatePorts) {
    return {
      handlers: { backends: createBackends(front), drain_backend: createDrainBackend(front, log) },
      gates: () => front.gates(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
});
