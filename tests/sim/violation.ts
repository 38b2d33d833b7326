/** A promise of the system was broken: the seed has found something. */
export class Violation extends Error {
  override readonly name = 'Violation';
}
