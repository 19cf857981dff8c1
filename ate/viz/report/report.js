// Figures and plotly's library are kept compressed; they are unpacked here, the figures of the first screen first.
const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["sendDataToCloud", "lasso2d", "select2d"] };

const FIRST = 400;

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
