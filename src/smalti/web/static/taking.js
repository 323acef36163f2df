/** Taking the result along: as a file, a command, lines of Python, a link, or through the clipboard. */

import { make } from "./dom.js";

/** @param {{store, frame, token: string}} parts */
export function createTaking({ store, frame, token }) {
  function save(blob, name) {
    const url = URL.createObjectURL(blob);
    const anchor = make("a", { href: url, download: name });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser may still be reading it
  }

  async function copy(text, what = text) {
    try {
      await navigator.clipboard.writeText(text);
      frame.say(`Copied ${what}`);
    } catch {
      frame.say("The browser does not let this page use the clipboard");
    }
  }

  async function copyPicture({ blob, type }) {
    try {
      const png = type === "image/png" ? blob : await asPng(blob);
      await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
      frame.say("Copied the picture; browsers store it anew, so its bytes differ from the download's");
    } catch {
      frame.say("The browser does not let this page copy pictures");
    }
  }

  function linkOf(settings) {
    const own = Object.fromEntries(Object.entries(settings).filter(([, value]) => value != null));
    return `${location.origin}/#${new URLSearchParams({ t: token, s: JSON.stringify(own) })}`;
  }

  return {
    save,
    copy,
    copyResult(what) {
      const { result, settings } = store.get();
      if (what === "cli") copy(result.cli, "the command");
      else if (what === "python") copy(result.python, "the Python lines");
      else if (what === "link") copy(linkOf(settings), "a link to these settings");
      else copyPicture(result);
    },
    download() {
      const { result } = store.get();
      if (result?.blob) save(result.blob, result.name);
      else frame.say("The file is not ready yet");
    },
    keepOriginal() {
      const { image, images } = store.get();
      const { file } = images.find(({ id }) => id === image.id) ?? {};
      if (file) save(file, image.name);
      else frame.say("The original is where it was: nothing has touched it");
    },
  };
}

async function asPng(blob) {
  const bitmap = await createImageBitmap(blob);
  const canvas = make("canvas", { width: bitmap.width, height: bitmap.height });
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve));
}
