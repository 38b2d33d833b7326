/** What the browser itself measured of the tiles, in the panel. */
const timings = (() => {
  const isTile = /\/tiles\/\d+\/\d+\/\d+\.png$/;
  const keptMax = 2000;
  const bucketCount = 24;
  const durationsMs = [];
  let loaded = 0;
  let cached = 0;
  let isHidden = false;

  const show = (id, text) => {
    document.getElementById(id).textContent = text;
  };

  function add(entry) {
    loaded += 1;
    durationsMs.push(entry.duration);
    if (durationsMs.length > keptMax) durationsMs.shift();
    // Of a page in a sandbox browsers hide sizes, and mostly keep nothing for it from one visit to the next.
    isHidden = entry.decodedBodySize === 0;
    if (!isHidden && entry.transferSize < entry.encodedBodySize) cached += 1;
  }

  function quantile(sorted, share) {
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  }

  function milliseconds(value) {
    return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
  }

  /** From 1 ms to 1 s on a logarithmic axis; what is outside counts at the ends. */
  function drawBars() {
    const counts = new Array(bucketCount).fill(0);
    for (const ms of durationsMs) {
      const at = Math.floor((Math.log10(Math.max(1, ms)) / 3) * bucketCount);
      counts[Math.min(bucketCount - 1, at)] += 1;
    }
    const most = Math.max(1, ...counts);
    const bars = document.getElementById('bars');
    bars.replaceChildren(
      ...counts.map((count, at) => {
        const rect = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
        const height = count === 0 ? 1 : Math.max(3, (count / most) * 54);
        const place = { x: at * 10 + 1, y: 56 - height, width: 8, height, rx: 1.5, opacity: count === 0 ? 0.25 : 1 };
        for (const [name, value] of Object.entries(place)) rect.setAttribute(name, value);
        return rect;
      }),
    );
  }

  function render() {
    const sorted = [...durationsMs].sort((a, b) => a - b);
    show('loaded', String(loaded));
    show('cached', String(timings.kept + cached));
    document.getElementById('cached').title = isHidden ? 'kept by the page; the rest is hidden' : 'by page or browser';
    if (sorted.length > 0) {
      show('p50', milliseconds(quantile(sorted, 0.5)));
      show('p95', milliseconds(quantile(sorted, 0.95)));
    }
    drawBars();
  }

  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (isTile.test(entry.name)) add(entry);
    render();
  }).observe({ type: 'resource', buffered: true });
  addEventListener('load', render);
  // `kept`: tiles that the map shows again from its own memory, without asking anybody.
  return { kept: 0, render };
})();
