// A click on the head of a column sorts by it, a second one the other way round.
for (const head of document.querySelectorAll("th")) {
  head.tabIndex = 0;
  head.title = "Sort";
  const sort = () => {
    const body = head.closest("table").tBodies[0];
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const text = (row) => row.cells[head.cellIndex].textContent;
    const words = head.classList.contains("text"); // a hash may begin with a digit
    const number = (row) => parseFloat(text(row).replaceAll(",", "").replace("\u2212", "-"));
    const compare = (a, b) => {
      const difference = words ? NaN : number(a) - number(b);
      return Number.isNaN(difference) ? text(a).localeCompare(text(b)) : difference;
    };
    body.append(...[...body.rows].sort((a, b) => (up ? 1 : -1) * compare(a, b)));
  };
  head.addEventListener("click", sort);
  head.addEventListener("keydown", (event) => event.key === "Enter" && sort());
}
