export interface Slope {
  /** Growth of y for one unit of x: the median of the slopes between all pairs. */
  readonly estimate: number;
  /** Ends of the interval that holds the slope with 95 % confidence. */
  readonly low: number;
  readonly high: number;
}

/** Two sides of 95 % under a normal distribution. */
const z = 1.959964;

/**
 * The slope of a line through noisy points, whatever a third of them do: Theil's estimate with Sen's interval (Sen,
 * Journal of the American Statistical Association 63, 1968), which assumes independent errors. Undefined below four points
 * with different x.
 */
export function robustSlope(points: readonly (readonly [x: number, y: number])[]): Slope | undefined {
  const count = points.length;
  const slopes: number[] = [];
  for (let i = 0; i < count; i += 1) {
    for (let j = i + 1; j < count; j += 1) {
      const run = points[j]![0] - points[i]![0];
      if (run !== 0) slopes.push((points[j]![1] - points[i]![1]) / run);
    }
  }
  if (count < 4 || slopes.length < 6) return undefined;
  const sorted = Float64Array.from(slopes).sort();
  // Variance of Kendall's S without ties.
  const spread = z * Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18);
  const at = (rank: number) => sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(rank)))]!;
  const middle = (sorted.length - 1) / 2;
  return {
    estimate: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    low: at((sorted.length - spread) / 2 - 1),
    high: at((sorted.length + spread) / 2),
  };
}

/** One point for each stretch of x, the median of its y: points beside each other are not independent. */
export function medians(points: readonly (readonly [x: number, y: number])[], stretch: number): [number, number][] {
  const groups = new Map<number, number[]>();
  for (const [x, y] of points) {
    const group = Math.floor(x / stretch);
    const values = groups.get(group) ?? [];
    values.push(y);
    groups.set(group, values);
  }
  return [...groups].map(([group, values]) => {
    const sorted = values.sort((a, b) => a - b);
    return [(group + 0.5) * stretch, sorted[Math.floor((sorted.length - 1) / 2)]!];
  });
}
