"use strict";
(() => {
  const byId = (id) => document.getElementById(id);

  const outlines = byId("outlines");
  if (outlines) {
    outlines.addEventListener("change", () => {
      document.body.classList.toggle("bare", !outlines.checked);
    });
  }

  // A row of the table and its outlines on both films light up together.
  const marked = document.querySelectorAll("[data-link]");
  const light = (link, on) => {
    marked.forEach((element) => {
      if (element.dataset.link === link) element.classList.toggle("hot", on);
    });
  };
  marked.forEach((element) => {
    element.addEventListener("mouseenter", () => light(element.dataset.link, true));
    element.addEventListener("mouseleave", () => light(element.dataset.link, false));
  });

  const stack = byId("stack");
  if (!stack) return;
  const upper = byId("upper");
  const linesBaseline = byId("lines-baseline");
  const linesFollowup = byId("lines-followup");
  const shown = byId("shown");
  const blend = byId("blend-by");
  const speed = byId("speed");
  const flicker = byId("flicker");
  let timer = 0;

  const show = (share) => {
    upper.setAttribute("opacity", String(share));
    linesBaseline.setAttribute("opacity", String(1 - share));
    linesFollowup.setAttribute("opacity", String(share));
    const name = share === 0 ? "baseline" : share === 1 ? "followup" : "blend";
    stack.dataset.shown = name;
    shown.textContent = { baseline: "Baseline", followup: "Follow-up", blend: "Blend" }[name];
    blend.value = String(Math.round(100 * share));
  };
  const stop = () => {
    clearTimeout(timer);
    timer = 0;
    flicker.setAttribute("aria-pressed", "false");
  };
  const flip = () => {
    show(stack.dataset.shown === "followup" ? 0 : 1);
    stack.dataset.flips = String(Number(stack.dataset.flips) + 1);
    // The slider runs from slow to fast; the wait runs the other way.
    timer = setTimeout(flip, Number(speed.min) + Number(speed.max) - Number(speed.value));
  };
  const toggle = () => {
    if (timer) {
      stop();
      return;
    }
    flicker.setAttribute("aria-pressed", "true");
    flip();
  };
  const still = (share) => {
    stop();
    show(share);
  };

  flicker.addEventListener("click", toggle);
  byId("show-baseline").addEventListener("click", () => still(0));
  byId("show-followup").addEventListener("click", () => still(1));
  blend.addEventListener("input", () => still(Number(blend.value) / 100));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { f: toggle, b: () => still(0), u: () => still(1) }[event.key.toLowerCase()];
    if (act) act();
  });
  show(0.5);
  // An address may name the button that is pressed when the page opens: report.html#flicker.
  const opening = { "#flicker": toggle, "#show-baseline": () => still(0), "#show-followup": () => still(1) };
  if (opening[location.hash]) opening[location.hash]();
})();
