/** Taking the result along. */

import { make } from "./dom.js";

export function createTaking({ store, frame, token }) {
  function save(blob, name) {
    const href = URL.createObjectURL(blob);
    make("a", { href, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000); // the browser may still be reading it
  }

  async function clip(work, done, refused) {
    try {
      await work();
      frame.say(done);
    } catch {
      frame.say(`The browser does not let this page ${refused}`);
    }
  }
  const copy = (text, what = text) =>
    clip(() => navigator.clipboard.writeText(text), `Copied ${what}`, "use the clipboard");
  const copyPicture = ({ blob, type }) => clip(async () => {
    const png = type === "image/png" ? blob : await asPng(blob);
    await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
  }, "Copied the picture; stored anew, its bytes differ from the download's", "copy pictures");

  function linkOf(settings) {
    const own = Object.fromEntries(Object.entries(settings).filter(([, value]) => value != null));
    return `${location.origin}/#${new URLSearchParams({ t: token, s: JSON.stringify(own) })}`;
  }

  return {
    save,
    copy,
    copyResult(what) {
      const { result, settings } = store.get();
      const names = { cli: "the command", python: "the Python lines", link: "a link to these settings" };
      if (what === "image") copyPicture(result);
      else copy(what === "link" ? linkOf(settings) : result[what], names[what]);
    },
    download() {
      const { result } = store.get();
      if (result?.blob) save(result.blob, result.name);
      else frame.say("The file is not ready yet");
    },
    keepOriginal() {
      const { image, images } = store.get();
      const file = images.find(({ id }) => id === image.id)?.file;
      if (file) save(file, image.name);
      else frame.say("The original is where it was: nothing has touched it");
    },
  };
}

async function asPng(blob) {
  const bitmap = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return canvas.convertToBlob();
}
