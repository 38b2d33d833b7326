// What is imported when a client first uses its passport, audit log or registry.
export { AuditLog } from './audit.ts';
export { createPassportCalls, exchange } from './passport.ts';
export { createPins } from './pins.ts';
export { createRegistryCalls } from './registry.ts';
