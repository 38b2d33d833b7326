import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { NetAddress } from '../env/net.ts';
import { errorCode, SystemError } from '../env/system-error.ts';

/** `sockaddr_un` holds 108 bytes with the closing zero on Linux, 104 elsewhere. */
const unixPathBytesMax = process.platform === 'linux' ? 107 : 103;
const probeMs = 1000;

/** Refuses with `EACCES` a host that is not this machine: bytes in clear text never leave it. */
export function loopbackHost(host: string): string {
  if (host === 'localhost') return '127.0.0.1'; // Not by the resolver: a hosts file may say anything.
  if (host === '::1' || (net.isIPv4(host) && host.startsWith('127.'))) return host;
  throw new SystemError('EACCES', `plain TCP is for loopback only, not for ${host}`);
}

/** Makes the socket's folder, or refuses one that others can enter. A file that nobody answers behind is removed. */
export async function prepareUnixPath(socketPath: string): Promise<void> {
  checkUnixPath(socketPath);
  const folder = path.dirname(socketPath);
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = fs.lstatSync(folder);
  if (!stat.isDirectory()) throw new SystemError('ENOTDIR', 'the socket folder is not a folder');
  if ((stat.mode & 0o077) !== 0 || stat.uid !== process.getuid?.()) {
    throw new SystemError('EACCES', `the socket folder ${folder} must be yours with mode 0700`);
  }
  const existing = fs.lstatSync(socketPath, { throwIfNoEntry: false });
  if (existing === undefined) return;
  if (!existing.isSocket()) throw new SystemError('EEXIST', 'a file that is not a socket is in the way');
  if (await answers(socketPath)) throw new SystemError('EADDRINUSE', `${socketPath} is in use`);
  fs.rmSync(socketPath, { force: true });
}

export function checkUnixPath(socketPath: string): void {
  if (!path.isAbsolute(socketPath)) throw new SystemError('EINVAL', 'a socket path is absolute');
  if (Buffer.byteLength(socketPath) > unixPathBytesMax) {
    throw new SystemError('ENAMETOOLONG', `a socket path has at most ${unixPathBytesMax} bytes`);
  }
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path: socketPath });
    const timer = setTimeout(() => finish(true), probeMs);
    const finish = (alive: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(alive);
    };
    socket.once('connect', () => finish(true));
    // Only a refusal proves that nobody listens; with anything else (a full backlog) somebody may.
    socket.once('error', (error) => finish(errorCode(error) !== 'ECONNREFUSED' && errorCode(error) !== 'ENOENT'));
  });
}

/**
 * Connections that wait in the system to be taken in: as many as twice a listener's cap. The system drops what is past it,
 * and who was dropped tries again after a second at the earliest.
 */
const backlog = 2_048;

export interface ListenOptions {
  /** Any host, not only this machine's own addresses. */
  readonly beyondLoopback?: boolean;
  /** Several sockets may listen at the address, and the system deals connections out among them. */
  readonly reusePort?: boolean;
}

/** Binds `server`; resolves with the address as bound. */
export async function listenOn(
  server: net.Server,
  address: NetAddress,
  { beyondLoopback = false, reusePort = false }: ListenOptions = {},
): Promise<NetAddress> {
  if (address.kind === 'unix') await prepareUnixPath(address.path);
  const host = address.kind === 'tcp' ? (beyondLoopback ? address.host : loopbackHost(address.host)) : undefined;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const onListening = () => {
      server.removeListener('error', reject);
      resolve();
    };
    if (address.kind === 'unix') server.listen({ path: address.path, backlog }, onListening);
    else server.listen({ host, port: address.port, backlog, reusePort }, onListening);
  });
  if (address.kind === 'unix') {
    fs.chmodSync(address.path, 0o600);
    return address;
  }
  const bound = server.address() as net.AddressInfo;
  return { kind: 'tcp', host: bound.address, port: bound.port };
}
