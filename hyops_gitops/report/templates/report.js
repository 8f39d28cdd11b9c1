"use strict";
// Filters of a page, and details that are open on paper. Without this script everything is there, unfiltered.
(() => {
  const form = document.querySelector("form.filters");
  const opened = [];
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details:not([open])")) {
      part.open = true;
      opened.push(part);
    }
  });
  addEventListener("afterprint", () => {
    for (const part of opened.splice(0)) part.open = false;
  });
  if (!form) return;

  const items = [...document.querySelectorAll(".timeline > li")];
  const fields = [...form.elements].filter((field) => field.name);
  const status = form.querySelector(".count");
  const valuesOf = (item, name) => item.dataset[name].split("\n").filter((value) => value !== "");

  for (const field of fields) {
    if (field.tagName !== "SELECT") continue;
    const found = new Set(items.flatMap((item) => valuesOf(item, field.name)));
    for (const value of [...found].sort()) field.add(new Option(value, value));
  }

  const fits = (item, field) => {
    const wanted = field.value.trim();
    if (wanted === "") return true;
    const values = valuesOf(item, field.name);
    if (field.tagName === "SELECT") return values.includes(wanted);
    return values.some((value) => value.includes(wanted.toLowerCase()));
  };

  const filter = () => {
    let shown = 0;
    for (const item of items) {
      item.hidden = !fields.every((field) => fits(item, field));
      if (!item.hidden) shown += 1;
    }
    status.textContent = `${shown} of ${items.length} shown`;
    const set = new URLSearchParams(fields.filter((field) => field.value).map((field) => [field.name, field.value]));
    const fragment = set.toString() ? `#${set}` : "";
    history.replaceState(null, "", fragment || location.pathname);
    // A filter stays from page to page.
    for (const link of document.querySelectorAll(".pager a")) link.hash = fragment;
  };

  const read = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const field of fields) {
      const value = asked.get(field.name) || "";
      if (field.tagName === "SELECT" && value && ![...field.options].some((option) => option.value === value)) {
        field.add(new Option(value, value)); // nothing on this page has it
      }
      field.value = value;
    }
    filter();
  };

  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  addEventListener("hashchange", read);
  form.hidden = false;
  read();
})();
