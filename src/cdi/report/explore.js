// The page "Explore" counts the reported crimes that pass the filters. The filters are kept behind the
// "#" of the address, so a link to a choice can be sent, and the browser's back button works.
// The script reads only what the page holds. It sends no request, and it writes text and never HTML.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const cube = JSON.parse(byId("cube").textContent);
  const BREAKDOWNS = ["district", "offence", "month", "outcome"]; // the first numbers of a cell
  const FILTERS = [...BREAKDOWNS, "logs"];
  const [IN_FRAME, COUNT] = [4, 5]; // the places of the others
  const SVG = "http://www.w3.org/2000/svg";
  const write = (number) => number.toLocaleString("en-GB");

  // A cell names a value by its place in the list of the filter; the first option there is "All".
  const optionOf = (filter, place) => byId(filter).options[place + 1];
  const chosenPlace = (filter) => byId(filter).selectedIndex - 1;

  function setFilters(address) {
    const given = new URLSearchParams(address.slice(1));
    for (const filter of FILTERS) {
      const options = [...byId(filter).options];
      byId(filter).selectedIndex = Math.max(options.findIndex((o) => o.value === given.get(filter)), 0);
    }
  }

  function writeAddress(changes = {}) {
    const values = new URLSearchParams();
    for (const filter of FILTERS) {
      const value = filter in changes ? changes[filter] : byId(filter).value;
      if (value) values.set(filter, value);
    }
    return `#${values}`;
  }

  function findCells() {
    const places = BREAKDOWNS.map(chosenPlace);
    const isAll = byId("logs").value === "all";
    const isChosen = (cell) => places.every((place, i) => place < 0 || place === cell[i]);
    const isKeptApart = (cell) => chosenPlace("offence") < 0 && cube.kept_apart.includes(cell[1]);
    return cube.cells.filter(
      (cell) => isChosen(cell) && !isKeptApart(cell) && (isAll || cell[IN_FRAME]),
    );
  }

  const sum = (cells) => cells.reduce((total, cell) => total + cell[COUNT], 0);

  function describeBase() {
    const offence = chosenPlace("offence");
    const parts = [byId("logs").selectedOptions[0].dataset.base];
    if (offence < 0) parts.push(cube.base_without_fraud);
    for (const filter of BREAKDOWNS) {
      if (chosenPlace(filter) >= 0) {
        parts.push(`${byId(filter).dataset.title}: ${byId(filter).selectedOptions[0].text}`);
      }
    }
    return `Base: ${parts.join("; ")}.`;
  }

  function makeElement(name, text = "", className = "") {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function makeBar(share) {
    const bar = document.createElementNS(SVG, "svg");
    const rect = document.createElementNS(SVG, "rect");
    bar.setAttribute("aria-hidden", "true"); // the number beside it says the same
    rect.setAttribute("width", `${100 * share}%`);
    rect.setAttribute("height", "100%");
    bar.append(rect);
    return bar;
  }

  function makeRow(breakdown, place, count, most) {
    const row = document.createElement("tr");
    const option = optionOf(breakdown, place);
    const isChosen = chosenPlace(breakdown) === place;
    const link = makeElement("a", isChosen ? `${option.text}: show all` : option.text);
    link.href = writeAddress({ [breakdown]: isChosen ? "" : option.value });
    const [head, number, bar] = [makeElement("th"), makeElement("td", write(count), "n"), makeElement("td")];
    head.scope = "row";
    head.append(link);
    bar.append(makeBar(count / most));
    row.append(head, number, bar);
    return row;
  }

  function fillTable(breakdown, cells) {
    const counts = new Map();
    for (const cell of cells) {
      const place = cell[BREAKDOWNS.indexOf(breakdown)];
      counts.set(place, (counts.get(place) ?? 0) + cell[COUNT]);
    }
    const most = Math.max(...counts.values());
    const rows = [...counts].sort(([a], [b]) => a - b);
    const table = byId(`by-${breakdown}`);
    table.tBodies[0].replaceChildren(
      ...rows.map(([place, count]) => makeRow(breakdown, place, count, most)),
    );
    table.tFoot.rows[0].cells[1].textContent = write(sum(cells));
  }

  // The desk has the same filters for districts, offence groups and days, and no others of these.
  function writeDeskLink() {
    const values = new URLSearchParams();
    const { value: month } = byId("month");
    if (byId("district").value && byId("district").value !== cube.unknown) {
      values.set("district", byId("district").value);
    }
    if (byId("offence").value) values.set("offence", byId("offence").value);
    if (month) {
      const [year, number] = month.split("-").map(Number);
      const days = new Date(Date.UTC(year, number, 0)).getUTCDate();
      values.set("since", `${month}-01`);
      values.set("until", `${month}-${days}`);
    }
    byId("desk").href = `${cube.desk}?${values}`;
  }

  function showCounts() {
    const cells = findCells();
    const used = document.activeElement.closest("table");
    const count = sum(cells);
    byId("count").textContent = `${write(count)} reported ${count === 1 ? "crime" : "crimes"}`;
    byId("base").textContent = describeBase();
    byId("none").hidden = count > 0;
    for (const breakdown of BREAKDOWNS) fillTable(breakdown, cells);
    used?.querySelector("a")?.focus(); // the link that was followed is gone
    writeDeskLink();
  }

  // A spreadsheet would run a text that begins like a formula, so an apostrophe is put before it.
  function writeCsvField(value) {
    const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : `${value}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function writeCsv() {
    const lines = findCells().map((cell) => {
      const [district, offence, month, outcome] = BREAKDOWNS.map((name, i) => optionOf(name, cell[i]));
      return [
        district.value, offence.value, offence.text, `${month.value}-01`, outcome.value,
        cell[IN_FRAME] ? "true" : "false", cell[COUNT], cube.version, cube.data,
      ];
    });
    const text = [cube.columns, ...lines].map((line) => line.map(writeCsvField).join(",")).join("\r\n");
    return `\ufeff${text}\r\n`; // Excel reads a file as UTF-8 only if it begins with this mark
  }

  function saveCsv() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([writeCsv()], { type: "text/csv" }));
    link.download = cube.file;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  function followAddress() {
    if (location.hash && !location.hash.includes("=")) {
      history.replaceState(null, "", writeAddress()); // a link to a place on this page: keep the filters
      return;
    }
    setFilters(location.hash);
    showCounts();
  }

  for (const filter of FILTERS) {
    byId(filter).addEventListener("change", () => {
      history.pushState(null, "", writeAddress());
      showCounts();
    });
  }
  byId("csv").addEventListener("click", saveCsv);
  byId("desk").parentElement.hidden = !location.protocol.startsWith("http");
  byId("without-script").hidden = true;
  byId("with-script").hidden = false;
  setFilters(location.hash);
  showCounts();
  window.addEventListener("hashchange", followAddress);
})();
