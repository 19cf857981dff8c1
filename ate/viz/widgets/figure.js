// A plotly figure that reports clicks and selections. See figure.py for why its state is in a model of its own.

// plotly's library, once a page.
function load(source) {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  return import(url).then(() => globalThis.Plotly).finally(() => URL.revokeObjectURL(url));
}

async function render({ model, el }) {
  const [library, state] = await Promise.all(
    ["_library", "_state"].map(name => model.widget_manager.get_model(model.get(name).replace("IPY_MODEL_", "")))
  );
  const plotly = await (globalThis.ateFigureLibrary ??= load(library.get("source")));

  // One step at a time: plotly draws asynchronously.
  let steps = Promise.resolve();
  const queue = step => (steps = steps.then(step).catch(error => console.error(error)));
  const report = (event, points) =>
    // A message of its own, not a trait: traits set while the kernel is busy overwrite each other.
    model.send({ event, points: points.map(p => ({ trace: p.curveNumber, index: p.pointNumber, x: p.x, y: p.y })) });
  const change = () => {
    const { restyle, relayout } = structuredClone(state.get("changes"));
    return plotly.update(el, restyle, relayout);
  };
  // What lies below a click, asked for at once. plotly itself answers with what it hovered over last, and it hovers
  // at most every 50 ms, by a timer of this name: a click that comes sooner would be that of another point or of none.
  let asked = 0;
  const below = event => {
    const layout = el._fullLayout;
    const name = layout._uid;
    layout._uid = `${name}-click${asked++}`;
    try {
      plotly.Fx.hover(el, event, event.target.dataset.subplot, true);
    } finally {
      layout._uid = name;
    }
    return el._hoverdata ?? [];
  };
  // plotly sends this on where nothing was dragged.
  const clicked = event => {
    const points = event.target.classList?.contains("nsewdrag") ? below(event) : [];
    if (points.length) report("click", points);
  };
  const draw = async () => {
    const { data, layout } = structuredClone(state.get("figure"));
    await plotly.newPlot(el, data, layout);
    await change();
    el.on("plotly_selected", event => report("select", event?.points ?? []));
    el.on("plotly_deselect", () => report("select", []));
  };

  // A figure that is not on the page yet has no width to be drawn at.
  let width = 0;
  const observer = new ResizeObserver(entries => {
    const now = entries[entries.length - 1].contentRect.width;
    if (now > 0 && now !== width) {
      queue(width ? () => plotly.Plots.resize(el) : draw);
      width = now;
    }
  });
  const changed = () => width && queue(change);
  state.on("change:changes", changed);
  observer.observe(el);
  el.addEventListener("click", clicked);
  return () => {
    observer.disconnect();
    state.off("change:changes", changed);
    el.removeEventListener("click", clicked);
    queue(() => plotly.purge(el));
  };
}

export default { render };
