// The explorer of rows: one experiment at a time, its filters, its columns.
"use strict";

(async () => {
  const bytes = Uint8Array.from(atob(document.getElementById("data").textContent), (one) => one.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const sheets = await new Response(unpacked).json();
  const form = document.getElementById("filters");
  const table = document.getElementById("sheet");
  const fixed = [
    { name: "SAE", text: (line) => line.sae },
    { name: "data", text: (line) => line.data },
    { name: "setting", text: (line) => line.setting },
    { name: "seeds", text: (line) => `${line.seeds}` },
  ];
  let sheet = null;
  let order = null; // the column sorted by and its direction

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const unique = (words) => [...new Set(words)];

  function number(value) {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size < 1e-3 || size >= 1e5) return value.toExponential(2).replace("e+", "e");
    return String(Number(value.toPrecision(3)));
  }

  const box = (name, value, text, properties) =>
    make("label", { className: "chip" }, make("input", { type: "checkbox", name, value, ...properties }), ` ${text}`);

  // The controls that this experiment's rows allow.
  function controls() {
    const saes = unique(sheet.lines.map((line) => line.sae)).sort(tables.natural.compare);
    const chips = saes.map((sae) => box("sae", sae, sae, { defaultChecked: true }));
    form.querySelector(".saes").replaceChildren(make("legend", {}, "SAE"), ...chips);

    const names = unique(sheet.lines.flatMap((line) => Object.keys(line.world)));
    const choices = (name, values) => {
      const options = values.map((value) => make("option", { value }, value));
      const select = make("select", { name: "world" }, make("option", { value: "" }, "any"), ...options);
      select.dataset.name = name;
      return make("label", {}, `${name.replaceAll("_", " ")} `, select);
    };
    const titles = unique(sheet.lines.map((line) => line.data));
    const values = (name) => unique(sheet.lines.map((line) => line.world[name])).filter((one) => one !== undefined);
    const worlds = names.map((name) => choices(name, values(name)));
    form.querySelector(".settings").replaceChildren(...(titles.length > 1 ? [choices("data", titles)] : []), ...worlds);

    const groups = unique(sheet.columns.map((column) => column.heading)).map((heading) => {
      const boxes = sheet.columns.map((column, i) =>
        column.heading === heading
          ? box("column", i, column.name, { defaultChecked: column.shown, disabled: column.always })
          : "");
      return make("fieldset", {}, make("legend", {}, heading), ...boxes);
    });
    form.querySelector(".metrics").replaceChildren(make("summary", {}, "Metrics"), ...groups);
    document.getElementById("truth").hidden = sheet.truth;
  }

  function passes(line) {
    const l0 = line.values[sheet.columns.findIndex((column) => column.name === "l0")]?.[0];
    const saes = [...form.querySelectorAll("[name=sae]:checked")].map((one) => one.value);
    const { least, most, words } = form;
    return (
      saes.includes(line.sae) &&
      (least.value === "" || l0 >= Number(least.value)) &&
      (most.value === "" || l0 <= Number(most.value)) &&
      [...form.querySelectorAll("[name=world]")].every(
        (one) => one.value === "" || one.value === (one.dataset.name === "data" ? line.data : line.world[one.dataset.name])) &&
      tables.matches(`${line.sae} ${line.data} ${line.setting}`, words.value.trim())
    );
  }

  function cell(line, column) {
    const value = line.values[column];
    if (!value) return make("td", { className: "none" }, "-");
    const [middle, low, high, seeds] = value;
    const some = seeds === undefined ? "" : make("small", { title: "seeds with a value" }, ` ${seeds}/${line.seeds}`);
    return make("td", {}, number(middle), make("small", {}, ` [${number(low)}, ${number(high)}]`), some);
  }

  function draw() {
    const chosen = [...form.querySelectorAll("[name=column]:checked")].map((one) => Number(one.value));
    const columns = [
      ...fixed.map((one) => ({ ...one, key: one.text, cell: (line) => make("td", {}, one.text(line)) })),
      ...chosen.map((i) => ({
        ...sheet.columns[i],
        key: (line) => line.values[i]?.[0] ?? null,
        cell: (line) => cell(line, i),
      })),
    ];
    const heads = columns.map((column) => {
      const title = document.getElementById(`metric-${column.metric}`)?.nextElementSibling.textContent ?? "";
      const head = make("th", { scope: "col" }, make("button", { type: "button", title }, column.name));
      if (order?.name === column.name) head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      return head;
    });
    const by = columns.find((column) => column.name === order?.name);
    const left = sheet.lines.filter(passes);
    const lines = by ? tables.sorted(left, by.key, order.down) : left;
    table.tHead.replaceChildren(make("tr", {}, ...heads));
    table.tBodies[0].replaceChildren(
      ...lines.map((line) => make("tr", {}, ...columns.map((column) => column.cell(line)))));
    form.querySelector("output").textContent = `${left.length} of ${sheet.lines.length} rows`;
    form.querySelector(".metrics summary").textContent = `Metrics: ${chosen.length} of ${sheet.columns.length}`;
  }

  function open(i) {
    sheet = sheets[i];
    order = null;
    controls();
    draw();
  }

  form.sheet.append(...sheets.map((one, value) => make("option", { value }, one.name)));
  form.sheet.addEventListener("change", () => open(form.sheet.value));
  form.addEventListener("input", (event) => event.target === form.sheet || draw());
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault(); // the experiment stays
    form.words.value = form.least.value = form.most.value = "";
    open(form.sheet.value);
  });
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("button")?.parentElement;
    if (!head) return;
    const place = head.cellIndex;
    order = { name: head.textContent, down: tables.turn(head) };
    draw();
    table.tHead.rows[0].cells[place].firstChild.focus(); // the head was made anew
  });
  form.hidden = false;
  open(0);
})();
