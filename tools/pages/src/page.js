// Sorts the lines by a column: the largest first, then the smallest, then as they stand in the file.
for (const table of document.querySelectorAll("table.lines")) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button")?.addEventListener("click", () => {
      const next = { none: "descending", descending: "ascending", ascending: "none" };
      const order = next[head.getAttribute("aria-sort") ?? "none"];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      let rows = original;
      if (order !== "none") {
        head.setAttribute("aria-sort", order);
        const sign = order === "descending" ? -1 : 1;
        const value = (row) => BigInt(row.cells[column].dataset.value ?? 0);
        const compare = (a, b) => (value(a) < value(b) ? -sign : value(a) > value(b) ? sign : 0);
        rows = [...original].sort(compare);
      }
      body.append(...rows);
    });
  });
}
