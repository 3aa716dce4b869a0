// A click, Enter or Space on the head of a column sorts by it, the best first; again, the other way.
const read = (row, column) => row.cells[column].textContent.trim();
const number = (text) => parseFloat(text.replaceAll(",", "").replace("\u2212", "-"));

function makeSortable(table, show) {
  const given = [...table.tBodies[0].rows]; // equal rows keep the order in which they came
  for (const head of table.tHead.rows[0].cells) {
    head.tabIndex = 0;
    head.title = "Sort";
    if (!head.hasAttribute("aria-sort")) head.setAttribute("aria-sort", "none");
    const words = head.classList.contains("text"); // a hash may begin with a digit
    const best = head.dataset.best ?? "ascending";
    const other = best === "ascending" ? "descending" : "ascending";
    const sort = () => {
      const order = head.getAttribute("aria-sort") === best ? other : best;
      for (const each of head.parentNode.cells) each.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", order);
      const value = (row) => (words ? read(row, head.cellIndex) : number(read(row, head.cellIndex)));
      const missing = (found) => found === "" || Number.isNaN(found);
      const compare = (a, b) => {
        const [one, two] = [value(a), value(b)];
        if (missing(one) || missing(two)) return missing(one) - missing(two); // always last
        const difference = words ? one.localeCompare(two) : one - two;
        return order === "ascending" ? difference : -difference;
      };
      table.tBodies[0].append(...[...given].sort(compare));
      show();
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault(); // Space would scroll the page
      sort();
    });
  }
}

// Of a long table the first rows are shown, in whichever order; a button shows the others.
function foldAway(table) {
  const first = Number(table.dataset.first);
  const rows = table.tBodies[0].rows;
  if (!first || rows.length <= first) return () => {};
  const more = document.createElement("button");
  more.type = "button";
  more.textContent = `${rows.length - first} more`;
  const show = () => {
    [...rows].forEach((row, place) => (row.hidden = more.isConnected && place >= first));
  };
  more.addEventListener("click", () => {
    more.remove();
    show();
  });
  table.parentNode.after(more);
  show();
  return show;
}

for (const table of document.querySelectorAll("table:not([data-plain])")) makeSortable(table, foldAway(table));

// What is wider than its place can be scrolled, by the keyboard too, and says so.
const measure = () => {
  for (const each of document.querySelectorAll(".scroll")) {
    const wide = each.scrollWidth > each.clientWidth;
    each.classList.toggle("wide", wide);
    if (wide) each.tabIndex = 0;
    else each.removeAttribute("tabindex");
  }
};
addEventListener("resize", measure);
measure();
