/**
 * Microseconds that this process has had of the processors, its garbage collection included: beside other work on the
 * machine, the mean of what an operation costs, where the clock would also count the times that others had their turn.
 */
export function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
