export { type Bus, type BusOptions, createBus } from './bus.ts';
export type { KernelEvent } from './kernel-event.ts';
export type { Lost, Subscription } from './subscription.ts';
