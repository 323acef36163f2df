/**
 * What every panel needs of the document: elements made without HTML, and fewer calls.
 *
 * Data become text nodes and properties, never markup, so a file name can be anything.
 */

/**
 * Make an element. Properties are set as such; names with a dash, and `role`, as attributes.
 *
 * @param {string} tag
 * @param {Object<string, any>} [properties]
 * @param {...(Node|string)} children
 * @returns {any} the element
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Set an element's text, if it is another: an unchanged node costs no layout. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Call `work` at once, and then at most every `wait` milliseconds; the last call is never lost.
 *
 * @param {() => void} work
 * @param {number} wait
 */
export function throttle(work, wait) {
  let timer = 0;
  let owed = false;
  function run() {
    owed = false;
    timer = setTimeout(() => {
      timer = 0;
      if (owed) run();
    }, wait);
    work();
  }
  return () => {
    owed = true;
    if (!timer) run();
  };
}
