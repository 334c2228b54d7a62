// Small line charts: one a dimension of the action, what was carried out beside what is predicted.
// Everything is set as text and attributes; nothing is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

export function element(name, properties = {}, children = []) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) node[key] = value;
  node.append(...children);
  return node;
}

function shape(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

// A curve is {first, values}: values[i] belongs to control step first + i; `column` is the dimension drawn.
function polyline(curve, column, style, scale) {
  const points = curve.values.flatMap((row, i) =>
    (row[column] === null ? [] : [`${scale.x(curve.first + i)},${scale.y(row[column])}`])).join(" ");
  return shape("polyline", { class: style, points });
}

function range(curves, column) {
  let low = Infinity, high = -Infinity;
  for (const curve of curves) for (const row of curve.values) {
    if (row[column] === null) continue;
    low = Math.min(low, row[column]);
    high = Math.max(high, row[column]);
  }
  if (!Number.isFinite(low)) return [-1, 1];
  const margin = (high - low || Math.max(Math.abs(high), 1e-3)) * 0.08;
  return [low - margin, high + margin];
}

function label(style, text, property, percent) {
  const node = element("span", { className: style, textContent: text });
  node.style[property] = `${percent}%`;
  return node;
}

const short = (number) => (Math.abs(number) >= 1000 || (number !== 0 && Math.abs(number) < 0.001)
  ? number.toExponential(1) : String(Number(number.toPrecision(3))));

// The chart of one dimension. `now`: the control step at which the prediction was made; `window`: [first, last] step shown.
function chart(title, column, executed, predicted, now, window) {
  const [first, last] = window;
  const [low, high] = range([executed, predicted], column);
  const scale = {
    x: (step) => (100 * (step - first) / Math.max(last - first, 1)).toFixed(2),
    y: (value) => (100 * (high - value) / (high - low)).toFixed(2),
  };
  const svg = shape("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": title });
  svg.append(
    shape("line", { class: "now", x1: scale.x(now), x2: scale.x(now), y1: 0, y2: 100 }),
    polyline(executed, column, "series-3", scale),
    polyline(predicted, column, "series-0", scale),
  );
  return element("div", {}, [
    element("h3", { textContent: title, title }),
    element("div", { className: "plot" }, [
      svg, label("y", short(low), "bottom", 0), label("y", short(high), "bottom", 100),
      label("x", String(first), "left", 0), label("x", String(last), "left", 100),
    ]),
  ]);
}

const cut = (curve, [first, last]) => {
  const from = Math.max(first - curve.first, 0);
  const to = Math.max(last - curve.first + 1, 0);
  return { first: curve.first + from, values: curve.values.slice(from, to) };
};

// Replace what `place` holds by a chart for each dimension; `names` and `units` of the action in their order.
export function drawCurves(place, { names, units, executed, predicted, now, window }) {
  const shown = [cut(executed, window), cut(predicted, window)];
  place.replaceChildren(...names.map((name, column) =>
    chart(["?", "1", undefined].includes(units[column]) ? name : `${name} (${units[column]})`, column, ...shown, now, window)));
}
