/** Charts as SVG, and elements, made piece by piece: this page parses no markup either. */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * @param {string} name
 * @param {Record<string, string | number | undefined>} attributes
 * @param {(Element | string)[]} children
 */
export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/**
 * @param {string} name
 * @param {Record<string, string | number | undefined>} attributes
 * @param {(Element | string)[]} children
 */
function shape(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/**
 * @template {Element} T
 * @param {T} made
 * @param {Record<string, string | number | undefined>} attributes
 * @param {(Element | string)[]} children
 */
function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/**
 * How a number went, oldest first.
 * @param {Element} place
 * @param {number[]} values
 * @param {string} label
 */
export function drawSparkline(place, values, label) {
  const { clientWidth: width, clientHeight: height } = place;
  const top = Math.max(1, ...values);
  const step = width / Math.max(1, values.length - 1);
  const points = values.map((value, index) => `${(index * step).toFixed(1)},${(height - 2 - (value / top) * (height - 4)).toFixed(1)}`);
  place.replaceChildren(
    picture(width, height, label,
      shape('polygon', { class: 'area', points: [`0,${height}`, ...points, `${((values.length - 1) * step).toFixed(1)},${height}`].join(' ') }),
      shape('polyline', { class: 'line', points: points.join(' ') })),
  );
}

/**
 * @typedef {{ value: number, title: string, bad: boolean }} Column
 * @typedef {{ value: number, name: string }} Mark
 */

/**
 * A column for each value, oldest first, with lines across that have a name.
 * @param {Element} place
 * @param {{ columns: Column[], marks: Mark[], label: string, format: (value: number) => string }} data
 */
export function drawColumns(place, { columns, marks, label, format }) {
  const { clientWidth: width, clientHeight: height } = place;
  const [left, right, bottom, top] = [48, 40, height - 4, 8];
  const most = roundUp(Math.max(1, ...columns.map(({ value }) => value), ...marks.map(({ value }) => value)));
  /** @param {number} value */
  const y = (value) => bottom - (value / most) * (bottom - top);
  const step = (width - left - right) / Math.max(20, columns.length);
  const rules = [0, most / 2, most].flatMap((value) => [
    shape('line', { class: 'rule', x1: left, x2: width - right, y1: y(value), y2: y(value) }),
    shape('text', { x: left - 8, y: y(value) + 4, 'text-anchor': 'end' }, format(value)),
  ]);
  const bars = columns.map(({ value, title, bad }, index) => shape('rect', {
    class: 'bar-of', 'data-tone': bad ? 'bad' : undefined, rx: 1,
    x: (left + index * step + step * 0.15).toFixed(1), width: (step * 0.7).toFixed(1),
    y: Math.min(y(value), bottom - 1).toFixed(1), height: Math.max(1, bottom - y(value)).toFixed(1),
  }, shape('title', {}, title)));
  // Names that would lie upon each other are pushed apart, from the top down.
  let free = 0;
  const lines = [...marks].reverse().flatMap(({ value, name }) => {
    free = Math.max(free + 14, y(value) + 4);
    return [
      shape('line', { class: 'mark', x1: left, x2: width - right, y1: y(value), y2: y(value) }),
      shape('text', { class: 'mark-name', x: width - right + 6, y: free }, name),
    ];
  });
  place.replaceChildren(picture(width, height, label, ...rules, ...bars, ...lines));
}

/**
 * Shares of a whole, side by side on one track, or one span somewhere on it. Decoration: what it shows stands beside it.
 * @param {{ from: number, to: number, tone?: 'soft' | 'bad' }[]} spans in parts of 1
 */
export function track(...spans) {
  return shape('svg', { viewBox: '0 0 1000 10', preserveAspectRatio: 'none', 'aria-hidden': 'true', width: '100%', height: '100%' },
    shape('rect', { class: 'track', width: 1000, height: 10, rx: 3 }),
    ...spans.map(({ from, to, tone }) => shape('rect', {
      class: 'bar-of', 'data-tone': tone, x: Math.min(from * 1000, 994).toFixed(1), width: Math.max((to - from) * 1000, 6).toFixed(1), height: 10, rx: 2,
    })));
}

/**
 * @param {number} width
 * @param {number} height
 * @param {string} label
 * @param {Element[]} children
 */
function picture(width, height, label, ...children) {
  return shape('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': label }, ...children);
}

/** The next of 1, 2, 5, 10, 20 ... @param {number} value */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((round) => round >= value) ?? value;
}
