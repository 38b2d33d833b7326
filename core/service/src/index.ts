export type { AuthenticatedPrincipal, Authenticator, Credential } from './access.ts';
export { bindHttp, type HttpBindingOptions, httpRefusal } from './bind-http.ts';
export { bindLocal } from './bind-local.ts';
export { OapLink, type OapPeerOptions } from './bind-oap-client.ts';
export { bindOapServer, type OapBindingOptions } from './bind-oap-server.ts';
export { abandoned, MeasuredBody, readWhole } from './bodies.ts';
export { Context } from './context.ts';
export { corrIdOf, uuidV7 } from './corr-id.ts';
export {
  type Admission,
  defineService,
  type Gate,
  type LiveConfig,
  type Ports,
  type QuotaReport,
  type Running,
  type Service,
  type ServiceDefinition,
  type Uses,
} from './define.ts';
export { createDispatcher } from './dispatch.ts';
export type { Dispatcher, DispatcherOptions, Incoming, Outgoing } from './dispatcher.ts';
export { createMeters, type OperationMeter, rejections } from './golden-metrics.ts';
export { type HostedService, type HostOptions, hostService, type StartOptions } from './host.ts';
export { parseTrustedProxies } from './http/client-address.ts';
export { serverFields } from './http/server-fields.ts';
export { httpServerLimits } from './http/server-limits.ts';
export { listenHttp } from './listen-http.ts';
export { nodeOf, nodePrincipal } from './node-caller.ts';
export { OapPool, type OapPoolOptions } from './oap-pool.ts';
export { createOpsEndpoints, isProbe, type OpsEndpoints, type OpsSource } from './ops.ts';
export { createPressure, type Pressure } from './pressure-gate.ts';
export { privatePlane } from './process-caller.ts';
export { createRelay, type RelayOptions } from './relay.ts';
export { rightsFor } from './rights.ts';
export type { AuditEntry, AuditReceipt, AuditStage, PolicyRequest, PolicyStage } from './stages.ts';
export { startOrder } from './start-order.ts';
export { loadCompiler } from './validators.ts';
