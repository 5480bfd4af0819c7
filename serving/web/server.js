// TensorFlow Serving's REST API, and what is to be said where it gives no answer.

const MODEL = new URLSearchParams(location.search).get("model") ?? "rnnsearch";
const LONGEST_WAIT = 60_000; // ms
const BUSY = [429, 503, 504];
const DOWN = 502; // says a proxy
const MOST_TEXTS = /larger than maximum (?:input )?batch size (\d+)|a request has more than (\d+) texts/;
// As TensorFlow Serving writes numbers that JSON has not; what is in quotes stays.
const NO_NUMBERS = /"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g;
const NUMBERS = { Infinity: "1e999", "-Infinity": "-1e999", NaN: "null" };

/** No answer; `message` is a sentence for the reader, `passes` whether asking again may help, and `mostTexts` how many a
 * request may have where there were more. */
export class ServerError extends Error {
  constructor(message, { passes = false, mostTexts } = {}) {
    super(message);
    Object.assign(this, { passes, mostTexts });
  }
}

/** The names of a version's signatures. A version is a number or a label, or "" for the newest. */
export async function signatures(version) {
  const { metadata } = await ask(`${path(version)}/metadata`, version);
  return new Set(Object.keys(metadata.signature_def.signature_def));
}

/** The numbers of the versions that can be asked. */
export async function versions() {
  const { model_version_status: states } = await ask(path(""), "");
  return states.filter(({ state }) => state === "AVAILABLE").map(({ version }) => version);
}

/** What a signature gives for each of `instances`, in order. */
export async function predict(version, signature, instances, signal) {
  const body = JSON.stringify({ signature_name: signature, instances });
  const { predictions } = await ask(`${path(version)}:predict`, version, { method: "POST", body, signal });
  return predictions;
}

function path(version) {
  const which = !version ? "" : `/${/^\d+$/.test(version) ? "versions" : "labels"}/${encodeURIComponent(version)}`;
  return `v1/models/${encodeURIComponent(MODEL)}${which}`;
}

/** The JSON that is at a path, which is relative to the page. */
async function ask(where, version, { signal, ...options } = {}) {
  const timeout = AbortSignal.timeout(LONGEST_WAIT);
  let response, text;
  try {
    response = await fetch(where, { ...options, signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    const what = timeout.aborted ? "The server has not answered for a minute." : "The server does not answer.";
    throw new ServerError(what, { passes: true });
  }
  const answer = parsed(text);
  if (response.ok && answer) return answer;
  throw refusal(response.status, answer?.error ?? "", version);
}

function parsed(text) {
  try {
    return JSON.parse(text.replace(NO_NUMBERS, (found) => NUMBERS[found] ?? found));
  } catch {
    return null; // a page of something else than TensorFlow Serving
  }
}

function refusal(status, said, version) {
  const [, ofBatch, ofModel] = said.match(MOST_TEXTS) ?? [];
  if (ofBatch ?? ofModel) return new ServerError(said, { mostTexts: Number(ofBatch ?? ofModel) });
  if (BUSY.includes(status)) return new ServerError("The server has too much to do.", { passes: true });
  if (status === DOWN) return new ServerError("The server does not answer.", { passes: true });
  if (status === 404) {
    const which = version ? `version or label “${version}” of the model` : "model";
    return new ServerError(`The server has no ${which} “${MODEL}”.`);
  }
  if (status === 413) return new ServerError("This is more than the server takes at once.");
  return new ServerError(`The server refuses: ${said || `status ${status}`}`);
}
