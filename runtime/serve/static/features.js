// Rows of a table: one field a column, and a row as the numbers that the contract asks for.

import { describe } from "./answers.js";
import { Page, byId } from "./page.js";

const BLANKS = ["", "na", "n/a", "nan", "null", "none", "?"], TRUTHS = { false: 0, true: 1 };

/** What a row's value stands for; NaN where it is no number and no category. */
function numberOf(row, column, { columns, categories, missing }) {
  const value = row[column], bare = String(value ?? "").trim().toLowerCase();
  // A column that is not there beside names that are unknown may be misspelt: no stand-in for it.
  if (!(column in row) && Object.keys(row).some((name) => !columns.includes(name))) return NaN;
  if (BLANKS.includes(bare)) return missing[column] ?? NaN;
  const place = categories[column]?.indexOf(String(value));
  if (place !== undefined) return place < 0 ? NaN : place;
  return typeof value === "object" || bare.includes("x") ? NaN : TRUTHS[bare] ?? Number(value);
}

/** A row {column: number, text or null} as numbers in the model's order: the twin of runtime/contract/features.py. */
export function rowNumbers(row, contract) {
  const { columns, categories, one_hot: oneHot } = contract;
  return columns.flatMap((column) => {
    const number = numberOf(row, column, contract), texts = categories[column];
    if (!Number.isFinite(number)) {
      const allowed = texts ? `one of ${texts.join(", ")}` : "a number";
      throw new Error(`${column} is ${JSON.stringify(row[column]) ?? "not there"}: ${allowed} is allowed.`);
    }
    return texts && oneHot ? texts.map((_, place) => Number(place === number)) : [number];
  });
}

/** Where a column's first number stands among all numbers of a row. */
function placeOf(column, { columns, categories, one_hot: oneHot }) {
  const before = columns.slice(0, columns.indexOf(column));
  return before.reduce((sum, name) => sum + (oneHot && categories[name] ? categories[name].length : 1), 0);
}

export class FeaturesPage extends Page {
  constructor(bundle) {
    super(bundle, "features");
    const [contract] = bundle.contract.inputs;
    this.contract = contract;
    document.title = `${bundle.name}: fill in a row`;
    byId("help").textContent = "Every change is answered at once. What is filled in goes to the server that sent this page, or stays in this browser where the artifact runs here.";
    this.fields = contract.columns.map((column, i) => this.field(column, i));
    byId("fields").addEventListener("submit", (event) => event.preventDefault());
    byId("fields").addEventListener("input", () => this.ask());
    byId("example").addEventListener("click", () => this.fill(bundle.example?.[contract.name]));
    byId("example").hidden = !bundle.example;
    byId("clear").addEventListener("click", () => this.fill(null));
    this.fill(bundle.example?.[contract.name], false);
  }

  start() {
    super.start();
    this.ask();
  }

  /** One column's control, with its unit and where its values mostly lie. */
  field(column, index) {
    const { categories, missing, units, mean, std } = this.contract, texts = categories[column];
    const label = byId("fields").appendChild(document.createElement("label"));
    const name = label.appendChild(document.createElement("span"));
    name.textContent = units[index] ? `${column} (${units[index]})` : column;
    const input = label.appendChild(document.createElement(texts ? "select" : "input"));
    input.name = column;
    if (texts) {
      if (column in missing) input.add(new Option("(missing)", ""));
      for (const text of texts) input.add(new Option(text, text));
    } else {
      input.type = "number";
      input.step = "any";
      input.inputMode = "decimal";
      input.required = !(column in missing);
      if (column in missing) input.placeholder = `missing: ${missing[column]}`;
      const place = placeOf(column, this.contract);
      if (mean.length) {
        const hint = label.appendChild(document.createElement("small"));
        const round = (value) => Number(value.toPrecision(3));
        hint.textContent = `mostly ${round(mean[place] - 2 * std[place])} to ${round(mean[place] + 2 * std[place])}`;
      }
    }
    return input;
  }

  fill(row, asks = true) {
    for (const input of this.fields) {
      const value = row?.[input.name];
      if (input.tagName === "SELECT") input.value = value ?? input.options[0].value;
      else input.value = value ?? "";
    }
    if (asks) this.ask();
  }

  /** The row by column name; null for what is left empty. Throws where that may not be. */
  row() {
    const { missing } = this.contract, row = {}, empty = [];
    for (const input of this.fields) {
      const text = input.value.trim();
      if (input.validity.badInput) throw new Error(`${input.name} is no number.`);
      row[input.name] = text === "" ? null : input.tagName === "SELECT" ? text : Number(text);
      if (text === "" && !(input.name in missing)) empty.push(input.name);
    }
    if (empty.length === this.fields.length) return null;
    if (empty.length) throw new Error(`Fill in ${empty.join(", ")}.`);
    return row;
  }

  request() {
    const row = this.row();
    if (row === null) return null;
    return { type: "application/json", body: JSON.stringify({ rows: [row] }), numbers: rowNumbers(row, this.contract) };
  }

  show(answers) {
    const row = answers.find((rows) => rows)?.[0];
    const { answer, spoken } = row ? describe(row, this.bundle) : { answer: "", spoken: "" };
    this.head(answer);
    this.say(row ? `Answer: ${spoken}` : "Nothing yet: fill in the fields.");
    super.show(answers);
  }
}
