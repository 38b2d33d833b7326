import { isAddress } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { Pins } from '../exchange/copies/pins.ts';
import type { OverlayHandler } from './handler.ts';

const pageDefault = 100;

/** By address; the cursor is the last one of the page before. */
export function createPins(pins: Pins): OverlayHandler<'pins'> {
  return ({ cursor = '', limit = pageDefault }) => {
    if (cursor !== '' && !isAddress(cursor)) {
      throw new RonError('bad_request', 'the cursor is not one of the page before');
    }
    const page = pins.page(cursor, limit + 1);
    const last = page.length > limit ? page[limit - 1] : undefined;
    return { pins: page.slice(0, limit), ...(last === undefined ? {} : { next: last.address }) };
  };
}
