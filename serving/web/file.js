// Translates a text file line by line, and gives it back.

import { joined, linesOf } from "./sentences.js";
import { ServerError } from "./server.js";
import { translated } from "./translator.js";

const AT_A_TIME = 2; // requests
const SENTENCES = 16; // at least, of a request, as long as there are so many
const PAUSES = [1000, 8000]; // ms before a server is asked again: at first, and at most
const MOST_NAMED = 10; // lines

const [input, stop, goOn, result, progress, status] = ["", "-stop", "-on", "-result", "-progress", "-status"].map((name) =>
  document.getElementById(`file${name}`),
);

/** Has the chosen files translated by the version that `version` gives at that time. */
export function translateFiles(version) {
  let job;
  const run = () => job.run();
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    job?.stop();
    result.hidden = true;
    try {
      // Fails where it is not UTF-8, rather than to translate what is not there.
      const text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
      job = new Job(file.name, text, version());
    } catch {
      status.textContent = `${file.name} is not a text in UTF-8; save it as one, and choose it again.`;
      return;
    }
    run();
  });
  stop.addEventListener("click", () => job.stop());
  goOn.addEventListener("click", run);
}

class Job {
  #done = [];
  #todo = []; // groups of lines, each translated by one request
  #tooLong = [];
  #controller;
  #pause = PAUSES[0];

  constructor(name, text, version) {
    [this.name, this.version] = [name, version];
    const lines = text.split("\n");
    this.count = lines.length - (lines.at(-1) === "");
    let group = [];
    let size = 0;
    for (const [number, line] of lines.entries()) {
      const pieces = linesOf(line); // other separators than "\n" stay where they are
      group.push({ number, pieces });
      size += pieces.reduce((sum, { parts }) => sum + parts.length, 0);
      if (size >= SENTENCES || number === lines.length - 1) {
        this.#todo.push(group);
        [group, size] = [[], 0];
      }
    }
    [progress.max, progress.value] = [this.count, 0];
  }

  async run() {
    this.#controller = new AbortController();
    this.#show(true);
    status.textContent = `Translating ${this.name} …`;
    const workers = Array.from({ length: AT_A_TIME }, () => this.#work(this.#controller.signal));
    try {
      await Promise.all(workers);
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      this.#controller.abort();
      status.textContent = `${error.message} ${this.#soFar()}`;
    }
    this.#show(false);
    if (!this.#todo.length) this.#finish();
  }

  stop() {
    this.#controller?.abort();
    status.textContent = `Stopped. ${this.#soFar()}`;
  }

  async #work(signal) {
    while (this.#todo.length && !signal.aborted) {
      const group = this.#todo.shift();
      try {
        await this.#translate(group, signal);
        this.#pause = PAUSES[0];
        if (!signal.aborted) status.textContent = `Translating ${this.name} …`;
      } catch (error) {
        this.#todo.unshift(group);
        if (signal.aborted) return;
        if (!error.passes) throw error;
        status.textContent = `${error.message} It is asked again in a moment. ${this.#soFar()}`;
        await new Promise((resolve) => setTimeout(resolve, this.#pause));
        this.#pause = Math.min(2 * this.#pause, PAUSES[1]);
      }
    }
  }

  async #translate(group, signal) {
    const texts = group.flatMap(({ pieces }) => pieces.flatMap(({ parts }) => parts.map(({ text }) => text)));
    const answers = texts.length ? await translated(this.version, texts, signal) : [];
    let next = 0;
    for (const { number, pieces } of group) {
      const line = pieces.map(({ before, parts, after, end }) => {
        const of = parts.map(({ space }) => [answers[next++], space]);
        if (!of.some(([{ tooLong }]) => tooLong)) {
          return before + joined(of.map(([{ text }, space]) => [text, space])) + after + end;
        }
        this.#tooLong.push(number + 1);
        return end;
      });
      this.#done[number] = line.join("");
    }
    progress.value += group.length;
  }

  #soFar() {
    return `${Math.min(progress.value, this.count)} of ${this.count} lines are translated.`;
  }

  #show(isRunning) {
    [stop.hidden, goOn.hidden, progress.hidden] = [!isRunning, isRunning || !this.#todo.length, false];
  }

  #finish() {
    const name = this.name.replace(/(\.[^.]*)?$/, ".translated$1");
    URL.revokeObjectURL(result.href);
    result.href = URL.createObjectURL(new Blob([this.#done.join("\n")], { type: "text/plain" }));
    [result.download, result.textContent, result.hidden] = [name, `Download ${name}`, false];
    const lines = [...new Set(this.#tooLong)].sort((a, b) => a - b);
    const named = lines.slice(0, MOST_NAMED).join(", ") + (lines.length > MOST_NAMED ? " and more" : "");
    const tooLong = lines.length ? ` Too long for the model, and empty: line ${named}.` : "";
    status.textContent = `${this.#soFar()}${tooLong}`;
  }
}
