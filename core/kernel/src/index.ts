export { type Bus, createBus, type KernelEvent, type Lost, type Subscription } from '@ron/bus';
export { type Counter, createMetrics, type Metrics } from '@ron/metrics';
export { fullJitterMs } from './backoff.ts';
export {
  type Config,
  type ConfigEntry,
  type ConfigTable,
  createConfig,
  type ReloadResult,
} from './config/config.ts';
export { ConfigError, type ConfigProblem, formatProblem, nearest } from './config/problems.ts';
export { reloadConfig } from './config/reload.ts';
export { type ConfigFile, type ConfigSources, type Origin, variableName } from './config/resolve.ts';
export type { ConfigTables, FieldSchema, TableValues } from './config/schema.ts';
export { withDeadline } from './deadline.ts';
export { type Clock, sleep, type Timer } from './env/clock.ts';
export type { Disk, File, FileStat } from './env/disk.ts';
export type { Env } from './env/env.ts';
export type {
  HttpHandler,
  HttpHeaders,
  HttpRefusal,
  HttpRequest,
  HttpResponse,
  HttpServerLimits,
  TlsIdentity,
} from './env/http.ts';
export {
  authorityOf,
  type HttpClient,
  type HttpClientDeadlines,
  type HttpClientRequest,
  type HttpClientResponse,
  type HttpOrigin,
} from './env/http-client.ts';
export { createSettableLoad, type LoadMeter } from './env/load.ts';
export type { Log, LogFields } from './env/log.ts';
export type { Duplex, DuplexEvents, HttpListener, Listener, Net, NetAddress } from './env/net.ts';
export { parseNetAddress } from './env/net-address.ts';
export type { Random } from './env/random.ts';
export { errorCode, SystemError } from './env/system-error.ts';
export {
  type TlsDialOptions,
  type TlsDuplex,
  type TlsFailure,
  type TlsListenOptions,
  type TlsPeer,
  tlsFailures,
} from './env/tls.ts';
export type { ContentCoding, StreamHasher, Work } from './env/work.ts';
export { createHealth, type GateState, type HealthState } from './health.ts';
export type { KernelBus } from './kernel-bus.ts';
export { waitForShutdown } from './real/shutdown.ts';
export {
  createSupervisor,
  type Running,
  type ServiceSpec,
  type ServiceState,
  type ServiceStatus,
  type Supervisor,
  type SupervisorPorts,
} from './supervisor.ts';
