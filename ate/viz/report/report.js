// Figures and plotly's library are kept compressed; they are unpacked here, the figures of the first screen first.
const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["sendDataToCloud", "lasso2d", "select2d"] };

const FIRST = 400;
// Narrower than this, panels stand below each other, each of this height.
const NARROW = 600, PANEL = 330;

// Panels next to each other, below each other; their titles are the first notes that are placed on the page.
function stack(layout) {
  const names = Object.keys(layout).filter((name) => /^xaxis\d*$/.test(name));
  const axes = names.map((name) => [layout[name], layout[name.replace("x", "y")]]);
  const rows = new Set(axes.map(([, y]) => String(y?.domain)));
  if (axes.length < 2 || rows.size > 1) return false;
  const gap = 0.14, height = (1 - gap * (axes.length - 1)) / axes.length;
  const heads = (layout.annotations || []).filter((note) => note.xref === "paper" && note.yref === "paper");
  axes.forEach(([x, y], place) => {
    const top = 1 - place * (height + gap);
    Object.assign(x, { domain: [0, 1] });
    Object.assign(y, { domain: [top - height, top], showticklabels: true, title: { text: "" } });
    if (heads[place]) Object.assign(heads[place], { x: 0.5, y: top });
  });
  Object.assign(layout, { height: PANEL * axes.length, margin: { ...layout.margin, l: 8, r: 8 } });
  return true;
}

async function unpacked(element) {
  const bytes = Uint8Array.from(atob(element.textContent.trim()), (sign) => sign.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

const started = new Set();
async function draw(plot) {
  if (started.has(plot)) return;
  started.add(plot);
  const figure = JSON.parse(await unpacked(document.querySelector(`script[data-for="${plot.id}"]`)));
  const pictured = (figure.layout.images || []).length > 0 || figure.data.some((trace) => trace.type === "image");
  plot.classList.toggle("picture", pictured);
  // The first screen holds the answer's figure with everything around it.
  if (plot.closest("[data-answer]")) {
    figure.layout.height = Math.min(figure.layout.height || FIRST, FIRST);
    plot.classList.toggle("stacked", window.innerWidth < NARROW && stack(figure.layout));
    figure.layout.margin = { ...figure.layout.margin, t: 32, b: 50 };
  }
  await Plotly.newPlot(plot, figure.data, figure.layout, config);
}

// One after the other, with a pause in which the page answers to the reader. What is folded has no width to draw in.
async function drawOpen() {
  for (const plot of document.querySelectorAll(".plot")) {
    if (plot.closest("details:not([open])")) continue;
    await draw(plot);
    await new Promise((resume) => setTimeout(resume));
  }
}

async function begin() {
  await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
  const library = document.createElement("script");
  library.textContent = await unpacked(document.getElementById("plotly"));
  document.head.append(library);
  await drawOpen();
  document.body.dataset.drawn = started.size;
}

for (const fold of document.querySelectorAll("details")) {
  fold.addEventListener("toggle", () => fold.open && document.body.dataset.drawn && drawOpen());
}
window.addEventListener("beforeprint", () => {
  for (const plot of started) Plotly.Plots.resize(plot);
});
if (window.DecompressionStream) begin();
else document.querySelectorAll(".plot").forEach((plot) => (plot.textContent = "A browser from 2023 or later draws this figure."));
