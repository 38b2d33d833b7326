export { SimDisk } from './disk.ts';
export { type DiskFault, type DiskFaultRates, DiskFaults, type DiskOperation } from './disk-faults.ts';
export { type SimNet, SimNetwork, type SimRequest } from './net.ts';
export { type NetFault, NetFaults } from './net-faults.ts';
export { createSimRandom, type SimRandom } from './random.ts';
export { SimClock, SimScheduler } from './scheduler.ts';
export { createSimEnv, SimEnv, type SimOptions, SimWorld } from './world.ts';
