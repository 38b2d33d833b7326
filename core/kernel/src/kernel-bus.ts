import type { Bus, KernelEvent } from '@ron/bus';

/** The one bus of a process. */
export type KernelBus = Bus<KernelEvent>;
