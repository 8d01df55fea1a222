"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const clips = data && data.clips;

// ---- shared ---------------------------------------------------------------------------------
const clock = (seconds) => {
  const tenths = Math.round(seconds * 10);
  const minutes = Math.floor(tenths / 600);
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  const hours = Math.floor(minutes / 60);
  return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
};
const span = (i) => `${clock(clips.start[i])} – ${clock(clips.end[i])}`;
const path = (i) => data.files[clips.file[i]][0];
const link = (i) => data.files[clips.file[i]][1];
// Neighbouring clusters get hues far apart: 137.5 degrees is the golden angle.
const colour = (cluster, alpha = 1) =>
  cluster < 0 ? `hsl(0 0% 55% / ${alpha})`
    : `hsl(${(cluster * 137.508 + 205) % 360} ${48 + (cluster % 3) * 9}% ${48 + (cluster % 2) * 7}% / ${alpha})`;
const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};
const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
const holds = (text, wanted) => wanted.every((word) => text.includes(word));

for (const dot of document.querySelectorAll("[data-colour]")) dot.style.background = colour(+dot.dataset.colour);
for (const image of document.querySelectorAll("[data-picture]")) image.src = data.pictures[image.dataset.picture];
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  });
}
for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    const code = button.previousElementSibling;
    getSelection().selectAllChildren(code);
    try { await navigator.clipboard.writeText(code.textContent); button.textContent = "Copied"; }
    catch { button.textContent = "Selected"; }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}

// ---- the player -----------------------------------------------------------------------------
const screen_ = $("screen");
const play = (i) => {
  const at = `#t=${clips.start[i]},${clips.end[i]}`;
  $("player-name").textContent = path(i);
  $("from").textContent = span(i);
  $("said").textContent = clips.text[i];
  $("cannot").hidden = Boolean(link(i));
  $("cannot").textContent = "The file is not where it was when this page was made.";
  screen_.hidden = !link(i);
  $("file").hidden = !link(i);
  if (link(i)) {
    $("file").href = `${link(i)}#t=${clips.start[i]}`;
    screen_.src = link(i) + at;
    screen_.play().catch(() => {});
  }
  $("player").showModal();
};
screen_.addEventListener("error", () => {
  if (!screen_.getAttribute("src")) return;
  $("cannot").textContent = "This browser cannot play the file here; a video player will, from the second given below.";
  $("cannot").hidden = false;
  screen_.hidden = true;
});
$("player").addEventListener("close", () => { screen_.pause(); screen_.removeAttribute("src"); screen_.load(); });
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-play]");
  if (button) play(+button.dataset.play);
});

// ---- the wall -------------------------------------------------------------------------------
const cards = [...document.querySelectorAll(".card")];
const searched = clips ? clips.text.map((text, i) => `${text} ${path(i)}`.toLowerCase()) : [];
const filter = () => {
  const wanted = words($("filter").value);
  let shown = 0, found = 0;
  for (const card of cards) {
    const named = holds(`${card.dataset.name} ${card.dataset.words}`, wanted);
    const matching = wanted.length
      ? data.clusters[card.dataset.cluster].clips.filter((i) => holds(searched[i], wanted)).length : 0;
    card.hidden = !(named || matching);
    const note = card.querySelector(".matches");
    note.hidden = !matching;
    note.textContent = `${matching} ${matching === 1 ? "clip matches" : "clips match"}`;
    shown += !card.hidden;
    found += matching;
  }
  $("count").textContent = wanted.length
    ? `${shown} of ${cards.length} clusters, ${found} listed ${found === 1 ? "clip" : "clips"}.` : "";
};
const order = () => {
  const by = $("order").value;
  const sorted = [...cards].sort((a, b) => by === "name"
    ? a.dataset.name.localeCompare(b.dataset.name) : b.dataset[by] - a.dataset[by]);
  $("wall").append(...sorted);
};
const listing = (cluster) => {
  const wanted = words($("list-filter").value);
  const all = data.clusters[cluster].clips;
  const kept = all.filter((i) => holds(searched[i], wanted));
  const size = data.clusters[cluster].size;
  $("list-note").textContent = wanted.length ? `${kept.length} of ${all.length} listed clips.`
    : all.length < size ? `The ${all.length} most typical of ${size.toLocaleString("en")} clips.`
      : `${size.toLocaleString("en")} ${size === 1 ? "clip" : "clips"}, the most typical first.`;
  $("list-clips").replaceChildren(...kept.map((i) => {
    const item = make("li");
    const button = make("button", "frame");
    button.type = "button";
    button.dataset.play = i;
    button.setAttribute("aria-label", `Play ${path(i)} from ${clock(clips.start[i])}`);
    if (data.pictures[i]) {
      const image = make("img");
      image.src = data.pictures[i];
      image.alt = "";
      button.append(image);
    } else button.append(make("span", "play", "▶"));
    const about = make("div");
    const place = make("span", "at", ` ${span(i)}`);
    if (link(i)) {
      const name = make("a", "", path(i));
      name.href = `${link(i)}#t=${clips.start[i]}`;
      name.target = "_blank";
      name.rel = "noopener";
      about.append(name, place);
    } else about.append(make("b", "", path(i)), place);
    if (clips.text[i]) about.append(make("p", "", clips.text[i]));
    item.append(button, about);
    return item;
  }));
};
if (cards.length) {
  let open = 0;
  $("filter").addEventListener("input", filter);
  $("filter").form.addEventListener("submit", (event) => event.preventDefault());
  $("order").addEventListener("change", order);
  $("list-filter").addEventListener("input", () => listing(open));
  $("wall").addEventListener("click", (event) => {
    const button = event.target.closest("[data-open]");
    if (!button) return;
    open = +button.dataset.open;
    $("list-name").textContent = data.clusters[open].name;
    const inside = cards.find((card) => +card.dataset.cluster === open).querySelector(".matches");
    $("list-filter").value = inside.hidden ? "" : $("filter").value;
    listing(open);
    $("list").showModal();
    $("list").scrollTop = 0;
  });
  $("on-map").addEventListener("click", () => {
    $("list").close();
    if (!$("only")) return;
    $("only").value = open;
    $("only").dispatchEvent(new Event("change"));
    $("map").scrollIntoView();
  });
  $("on-map").hidden = !$("chart");
}

// ---- the map --------------------------------------------------------------------------------
const canvas = $("chart");
if (canvas) {
  const { clip, x, y } = data.map;
  const margin = 26;
  let width = 0, height = 0, only = -2, near = -1;
  const px = (k) => margin + x[k] * (width - 2 * margin);
  const py = (k) => margin + y[k] * (height - 2 * margin);
  const visible = (k) => only === -2 || clips.cluster[clip[k]] === only;
  const radius = () => (clip.length > 2000 ? 2.4 : clip.length > 500 ? 3.2 : 4.2);

  // A name stands above its cluster: over the middle of its dots, by all but the highest few.
  const tops = data.clusters.map((_, cluster) => {
    const mine = clip.map((_, k) => k).filter((k) => clips.cluster[clip[k]] === cluster);
    const sorted = (values) => mine.map((k) => values[k]).sort((a, b) => a - b);
    return mine.length ? [sorted(x)[mine.length >> 1], sorted(y)[Math.floor(mine.length * 0.06)]] : null;
  });
  const short = (name) => {
    const pieces = name.split(" · ");
    const text = pieces.slice(0, 2).join(" · ");
    return text.length > 26 ? `${text.slice(0, 25)}…` : text;
  };
  const labels = (pen, ink, paper) => {
    const taken = [];
    pen.font = "600 12px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.lineJoin = "round";
    tops.forEach((top, cluster) => {
      if (!top || only !== -2) return;
      const name = short(data.clusters[cluster].name);
      const half = pen.measureText(name).width / 2 + 4;
      const at = margin + top[0] * (width - 2 * margin);
      const cx = Math.min(Math.max(at, half), Math.max(width - half, half));
      const cy = Math.max(14, margin + top[1] * (height - 2 * margin) - 10);
      const box = [cx - half, cy - 14, cx + half, cy + 8];
      if (taken.some((b) => box[0] < b[2] && b[0] < box[2] && box[1] < b[3] && b[1] < box[3])) return;
      taken.push(box);
      pen.strokeStyle = paper;
      pen.lineWidth = 4;
      pen.strokeText(name, cx, cy);
      pen.fillStyle = ink;
      pen.fillText(name, cx, cy);
    });
  };
  const draw = () => {
    const scale = window.devicePixelRatio || 1;
    width = canvas.clientWidth;
    height = canvas.clientHeight;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink"), paper = style.getPropertyValue("--card");
    const dots = (some, alpha, r) => some.forEach((k) => {
      pen.fillStyle = visible(k) ? colour(clips.cluster[clip[k]], alpha) : style.getPropertyValue("--line");
      pen.beginPath();
      pen.arc(px(k), py(k), r, 0, 7);
      pen.fill();
    });
    const all = clip.map((_, k) => k);
    dots(all.filter((k) => !visible(k)), 1, radius() * 0.8);
    dots(all.filter(visible), 0.82, radius());
    labels(pen, ink, paper);
    if (near >= 0) {
      dots([near], 1, radius() + 3);
      pen.strokeStyle = ink;
      pen.lineWidth = 2;
      pen.stroke();
    }
  };
  const tip = $("tip");
  const show = (k) => {
    near = k;
    tip.hidden = k < 0;
    if (k >= 0) {
      const i = clip[k];
      tip.replaceChildren();
      if (data.pictures[i]) {
        const image = make("img");
        image.src = data.pictures[i];
        image.alt = "";
        tip.append(image);
      }
      tip.append(make("b", "", path(i)), make("span", "of", span(i)));
      if (data.clusters[clips.cluster[i]]) tip.append(make("div", "of", data.clusters[clips.cluster[i]].name));
      if (clips.text[i]) tip.append(make("p", "said", clips.text[i]));
      const left = px(k) + 16 + tip.offsetWidth > width ? px(k) - 16 - tip.offsetWidth : px(k) + 16;
      tip.style.left = `${Math.max(4, Math.min(left, width - tip.offsetWidth - 4))}px`;
      tip.style.top = `${Math.max(4, Math.min(py(k) - 30, height - tip.offsetHeight - 4))}px`;
    }
    draw();
  };
  const nearest = (event, reach) => {
    const box = canvas.getBoundingClientRect();
    const ex = event.clientX - box.left, ey = event.clientY - box.top;
    let best = -1, least = reach * reach;
    for (let k = 0; k < clip.length; k++) {
      const d = (px(k) - ex) ** 2 + (py(k) - ey) ** 2;
      if (d < least && visible(k)) { least = d; best = k; }
    }
    return best;
  };
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return;
    const k = nearest(event, 14);
    canvas.style.cursor = k < 0 ? "crosshair" : "pointer";
    if (k !== near) show(k);
  });
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") show(-1); });
  canvas.addEventListener("click", (event) => {
    const touch = event.pointerType === "touch";
    const k = nearest(event, touch ? 28 : 14);
    if (k >= 0 && (!touch || k === near)) play(clip[k]);  // a finger points first, then plays
    else show(k);
  });
  const steps = clip.map((_, k) => k).sort((a, b) => clips.cluster[clip[a]] - clips.cluster[clip[b]] || a - b);
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" && near >= 0) play(clip[near]);
    if (event.key === "Escape") show(-1);
    if (!way) return;
    event.preventDefault();
    const some = steps.filter(visible);
    const from = near < 0 ? (way > 0 ? -1 : 0) : some.indexOf(near);
    show(some[(from + way + some.length) % some.length]);
    $("spoken").textContent = `${path(clip[near])}, ${span(clip[near])}. ${clips.text[clip[near]]}`;
  });
  $("only").addEventListener("change", (event) => {
    only = event.target.value === "" ? -2 : +event.target.value;
    show(-1);
  });
  new ResizeObserver(() => { near = -1; tip.hidden = true; draw(); }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
