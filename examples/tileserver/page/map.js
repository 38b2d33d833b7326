(() => {
  const tileSize = 256;
  const keptMax = 400;
  const circumferenceKm = 24_000;
  const map = document.getElementById('map');
  map.tabIndex = 0;
  const levels = document.getElementById('levels');
  const zoomMax = Number(map.dataset.zoomMax);
  const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches;

  /** The middle of the window in a world whose width and height are 1, and how far it is zoomed in. */
  const view = { x: 0.5, y: 0.5, zoom: 1 };
  let goal;
  /** Tiles by path, least recently shown first. */
  const kept = new Map();
  const layers = Array.from({ length: zoomMax + 1 }, () => {
    const layer = document.createElement('div');
    layer.className = 'level-tiles';
    levels.append(layer);
    return layer;
  });

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const wrap = (value, period) => ((value % period) + period) % period;
  const worldPx = (zoom) => tileSize * 2 ** zoom;
  /** The world always fills the window from top to bottom. */
  const zoomMin = () => Math.max(0, Math.log2(map.clientHeight / tileSize));
  const zoomEnd = () => Math.max(zoomMin(), zoomMax + 1);

  function keepInside(place) {
    place.zoom = clamp(place.zoom, zoomMin(), zoomEnd());
    const half = map.clientHeight / 2 / worldPx(place.zoom);
    place.y = half >= 0.5 ? 0.5 : clamp(place.y, half, 1 - half);
  }

  function askAgain(key) {
    kept.get(key)?.remove();
    kept.delete(key);
    schedule();
  }

  function tileAt(z, column, row) {
    const path = `tiles/${z}/${wrap(column, 2 ** z)}/${row}.png`;
    const key = `${z}/${column}/${row}`;
    let image = kept.get(key);
    if (image === undefined) {
      image = new Image(tileSize, tileSize);
      image.alt = '';
      image.draggable = false;
      image.decoding = 'async';
      image.addEventListener('load', () => {
        image.classList.add('here');
        schedule();
      });
      image.addEventListener('error', () => setTimeout(() => askAgain(key), 3_000));
      image.src = path;
    } else if (!image.isConnected) timings.kept += 1;
    kept.delete(key);
    kept.set(key, image);
    return image;
  }

  function visibleTiles(z) {
    const scale = worldPx(z);
    const stretch = 2 ** (view.zoom - z);
    const halfWidth = map.clientWidth / 2 / stretch;
    const halfHeight = map.clientHeight / 2 / stretch;
    const from = Math.floor((view.x * scale - halfWidth) / tileSize);
    const to = Math.floor((view.x * scale + halfWidth) / tileSize);
    const top = clamp(Math.floor((view.y * scale - halfHeight) / tileSize), 0, 2 ** z - 1);
    const bottom = clamp(Math.floor((view.y * scale + halfHeight) / tileSize), 0, 2 ** z - 1);
    const tiles = [];
    for (let row = top; row <= bottom; row += 1) {
      for (let column = from; column <= to; column += 1) tiles.push({ column, row });
    }
    const middle = { column: view.x * 2 ** z - 0.5, row: view.y * 2 ** z - 0.5 };
    const distance = ({ column, row }) => Math.hypot(column - middle.column, row - middle.row);
    return tiles.sort((a, b) => distance(a) - distance(b));
  }

  function placeLayer(z) {
    const stretch = 2 ** (view.zoom - z);
    const left = map.clientWidth / 2 - view.x * worldPx(view.zoom);
    const top = map.clientHeight / 2 - view.y * worldPx(view.zoom);
    const isStretched = Math.abs(stretch - 1) > 0.001;
    const [x, y] = isStretched ? [left, top] : [Math.round(left), Math.round(top)];
    layers[z].style.transform = `translate(${x}px, ${y}px) scale(${stretch})`;
    layers[z].classList.toggle('stretched', isStretched);
  }

  function render() {
    const sharp = clamp(Math.round(view.zoom), 0, zoomMax);
    const images = visibleTiles(sharp).map(({ column, row }) => {
      const image = tileAt(sharp, column, row);
      image.style.left = `${column * tileSize}px`;
      image.style.top = `${row * tileSize}px`;
      if (!image.isConnected) layers[sharp].append(image);
      return image;
    });
    // Coarser tiles stay below until all of the sharp ones are here, so that nothing flashes.
    const isWhole = images.every((image) => image.classList.contains('here'));
    for (const [z, layer] of layers.entries()) {
      placeLayer(z);
      if (z !== sharp && (isWhole || z > sharp)) layer.replaceChildren();
    }
    const shown = new Set(images);
    if (isWhole) for (const image of [...layers[sharp].children]) if (!shown.has(image)) image.remove();
    for (const [key, image] of kept) {
      if (kept.size <= keptMax) break;
      if (!shown.has(image)) {
        image.remove();
        kept.delete(key);
      }
    }
    describe();
  }

  function degrees(value, positive, negative) {
    return `${Math.abs(value).toFixed(1)}° ${value >= 0 ? positive : negative}`;
  }

  function describe() {
    const latitude = (0.5 - view.y) * 180;
    const longitude = (wrap(view.x, 1) - 0.5) * 360;
    document.getElementById('place').textContent = `${degrees(latitude, 'N', 'S')}, ${degrees(longitude, 'E', 'W')}`;
    document.getElementById('level').textContent = `zoom ${view.zoom.toFixed(1)}`;
    document.getElementById('in').disabled = view.zoom >= zoomEnd() - 0.01;
    document.getElementById('out').disabled = view.zoom <= zoomMin() + 0.01;
    const kmPerPx = circumferenceKm / worldPx(view.zoom);
    const round = [1, 2, 5].flatMap((digit) => [1, 10, 100, 1_000].map((power) => digit * power)).sort((a, b) => a - b);
    const km = round.findLast((value) => value / kmPerPx <= 110) ?? 1;
    document.getElementById('bar').style.width = `${Math.round(km / kmPerPx)}px`;
    document.getElementById('km').textContent = `${km.toLocaleString('en')} km`;
  }

  let frame = 0;
  function schedule() {
    if (frame === 0) frame = requestAnimationFrame(step);
  }

  /** Moves a part of the way to the goal in each frame. */
  function step() {
    frame = 0;
    if (goal !== undefined) {
      const part = isCalm ? 1 : 0.24;
      for (const field of ['x', 'y', 'zoom']) view[field] += (goal[field] - view[field]) * part;
      const far = Math.abs(goal.zoom - view.zoom) + Math.hypot(goal.x - view.x, goal.y - view.y) * worldPx(view.zoom);
      if (far < 0.02) {
        Object.assign(view, goal);
        goal = undefined;
      } else schedule();
    }
    keepInside(view);
    render();
  }

  function go(change) {
    goal = { ...(goal ?? view), ...change };
    keepInside(goal);
    schedule();
  }

  /** The place under the pointer stays where it is. */
  function zoomAt(clientX, clientY, by) {
    const from = goal ?? view;
    const zoom = clamp(from.zoom + by, zoomMin(), zoomEnd());
    const dx = clientX - map.clientWidth / 2;
    const dy = clientY - map.clientHeight / 2;
    const share = 1 / worldPx(from.zoom) - 1 / worldPx(zoom);
    go({ x: from.x + dx * share, y: from.y + dy * share, zoom });
  }

  const zoomInMiddle = (by) => zoomAt(map.clientWidth / 2, map.clientHeight / 2, by);
  const say = (text) => {
    document.getElementById('said').textContent = text;
  };
  const tell = () =>
    say(`${document.getElementById('level').textContent}, ${document.getElementById('place').textContent}`);
  const home = () => go({ x: 0.5, y: 0.5, zoom: zoomMin() });

  /** Pointers that are down: one drags, two pinch. */
  const pointers = new Map();
  let speed = { x: 0, y: 0, at: 0 };

  map.addEventListener('pointerdown', (event) => {
    map.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    map.classList.add('held');
    goal = undefined;
    speed = { x: 0, y: 0, at: event.timeStamp };
  });
  map.addEventListener('pointermove', (event) => {
    const before = pointers.get(event.pointerId);
    if (before === undefined) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, now);
    const scale = worldPx(view.zoom);
    const share = other === undefined ? 1 : 0.5;
    view.x -= ((now.x - before.x) * share) / scale;
    view.y -= ((now.y - before.y) * share) / scale;
    if (other === undefined) {
      const elapsed = Math.max(1, event.timeStamp - speed.at);
      speed = { x: (now.x - before.x) / elapsed, y: (now.y - before.y) / elapsed, at: event.timeStamp };
    } else {
      const grown = Math.hypot(now.x - other.x, now.y - other.y) / Math.hypot(before.x - other.x, before.y - other.y);
      zoomAt((now.x + other.x) / 2, (now.y + other.y) / 2, Math.log2(grown));
      Object.assign(view, goal);
      goal = undefined;
    }
    schedule();
  });
  const release = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    if (pointers.size > 0) return;
    map.classList.remove('held');
    const isThrown = event.timeStamp - speed.at < 60 && Math.hypot(speed.x, speed.y) > 0.25;
    if (!isThrown || isCalm) return;
    const scale = worldPx(view.zoom) / 180;
    go({ x: view.x - speed.x / scale, y: view.y - speed.y / scale });
  };
  map.addEventListener('pointerup', release);
  map.addEventListener('pointercancel', release);
  map.addEventListener('dblclick', (event) => zoomAt(event.clientX, event.clientY, event.shiftKey ? -1 : 1));
  map.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const px = event.deltaMode === 1 ? event.deltaY * 18 : event.deltaY;
      zoomAt(event.clientX, event.clientY, clamp(-px / 220, -1, 1));
    },
    { passive: false },
  );

  const keys = {
    ArrowLeft: () => go({ x: (goal ?? view).x - 120 / worldPx(view.zoom) }),
    ArrowRight: () => go({ x: (goal ?? view).x + 120 / worldPx(view.zoom) }),
    ArrowUp: () => go({ y: (goal ?? view).y - 120 / worldPx(view.zoom) }),
    ArrowDown: () => go({ y: (goal ?? view).y + 120 / worldPx(view.zoom) }),
    '+': () => zoomInMiddle(1),
    '=': () => zoomInMiddle(1),
    '-': () => zoomInMiddle(-1),
    0: home,
  };
  map.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
    setTimeout(tell, 600);
  });
  document.getElementById('in').addEventListener('click', () => zoomInMiddle(1));
  document.getElementById('out').addEventListener('click', () => zoomInMiddle(-1));
  document.getElementById('home').addEventListener('click', home);
  addEventListener('resize', schedule);

  view.zoom = Math.max(zoomMin(), Math.min(2, zoomMax));
  schedule();
})();
