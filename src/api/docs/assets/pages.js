// The guide and the error pages: copy buttons, and the search over errors.
"use strict";

for (const block of document.querySelectorAll("pre")) {
  const frame = document.createElement("div");
  frame.className = "block";
  block.replaceWith(frame);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  frame.append(block, button);
}

// Only the list beside the text scrolls, not the page.
const side = document.querySelector(".side");
const current = side?.querySelector("[aria-current]");
if (current) {
  side.scrollTop += current.getBoundingClientRect().top - side.getBoundingClientRect().top - side.clientHeight / 2;
}

const search = document.getElementById("search");
if (search) {
  const origins = [...document.querySelectorAll(".origins button")];
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const origin = origins.find((button) => button.getAttribute("aria-pressed") === "true").dataset.origin;
    let shown = 0;
    for (const section of document.querySelectorAll("section.status")) {
      const status = section.querySelector("h2").textContent;
      let some = false;
      for (const item of section.querySelectorAll("li")) {
        const text = `${status} ${item.textContent} ${item.dataset.search}`.toLowerCase();
        const fits = words.every((word) => text.includes(word)) && (!origin || item.dataset.origin === origin);
        item.hidden = !fits;
        some ||= fits;
      }
      section.hidden = !some;
      shown += some;
    }
    document.getElementById("none").hidden = shown > 0;
  };
  search.addEventListener("input", filter);
  search.form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of origins) {
    button.addEventListener("click", () => {
      origins.forEach((other) => other.setAttribute("aria-pressed", other === button));
      filter();
    });
  }
}
