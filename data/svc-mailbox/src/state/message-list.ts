// Lists through fields of their items: joining and leaving take constant time and allocate nothing, and a message stands
// in one list of each kind at once. The two kinds are written out because a list over field names that it is told
// looks up every field by name: 28 ns an operation instead of 6 (2026-11, two kinds in use, as here).

/** What an item carries to stand in a `LaneList`. Only the list writes these. */
export interface LaneLinks<T extends LaneLinks<T>> {
  lane: LaneList<T> | undefined;
  lanePrev: T | undefined;
  laneNext: T | undefined;
}

/** Messages that can be leased, in the order in which they will be. */
export class LaneList<T extends LaneLinks<T>> {
  #first: T | undefined;
  #last: T | undefined;
  #length = 0;

  get first(): T | undefined {
    return this.#first;
  }

  get last(): T | undefined {
    return this.#last;
  }

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (item.lane !== undefined) throw new Error('the item is in a lane already');
    const last = this.#last;
    item.lane = this;
    item.lanePrev = last;
    if (last === undefined) this.#first = item;
    else last.laneNext = item;
    this.#last = item;
    this.#length += 1;
  }

  unshift(item: T): void {
    if (item.lane !== undefined) throw new Error('the item is in a lane already');
    const first = this.#first;
    item.lane = this;
    item.laneNext = first;
    if (first === undefined) this.#last = item;
    else first.lanePrev = item;
    this.#first = item;
    this.#length += 1;
  }

  remove(item: T): void {
    if (item.lane !== this) throw new Error('the item is not in this lane');
    const { lanePrev, laneNext } = item;
    if (lanePrev === undefined) this.#first = laneNext;
    else lanePrev.laneNext = laneNext;
    if (laneNext === undefined) this.#last = lanePrev;
    else laneNext.lanePrev = lanePrev;
    item.lane = undefined;
    item.lanePrev = undefined;
    item.laneNext = undefined;
    this.#length -= 1;
  }
}

/** What an item carries to stand in a `BoxList`. Only the list writes these. */
export interface BoxLinks<T extends BoxLinks<T>> {
  boxList: BoxList<T> | undefined;
  boxPrev: T | undefined;
  boxNext: T | undefined;
}

/** All messages of a box that are alive, or all that are dead. */
export class BoxList<T extends BoxLinks<T>> {
  #first: T | undefined;
  #last: T | undefined;
  #length = 0;

  get first(): T | undefined {
    return this.#first;
  }

  get last(): T | undefined {
    return this.#last;
  }

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    this.insertAfter(this.#last, item);
  }

  /** Right after `previous`, which must be in this list; undefined: first. */
  insertAfter(previous: T | undefined, item: T): void {
    if (item.boxList !== undefined) throw new Error('the item is in a box already');
    if (previous !== undefined && previous.boxList !== this) throw new Error('the item is not in this box');
    const next = previous === undefined ? this.#first : previous.boxNext;
    item.boxList = this;
    item.boxPrev = previous;
    item.boxNext = next;
    if (previous === undefined) this.#first = item;
    else previous.boxNext = item;
    if (next === undefined) this.#last = item;
    else next.boxPrev = item;
    this.#length += 1;
  }

  remove(item: T): void {
    if (item.boxList !== this) throw new Error('the item is not in this box');
    const { boxPrev, boxNext } = item;
    if (boxPrev === undefined) this.#first = boxNext;
    else boxPrev.boxNext = boxNext;
    if (boxNext === undefined) this.#last = boxPrev;
    else boxNext.boxPrev = boxPrev;
    item.boxList = undefined;
    item.boxPrev = undefined;
    item.boxNext = undefined;
    this.#length -= 1;
  }
}
