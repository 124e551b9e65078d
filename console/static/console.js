// Keys for people who review: an element with data-key="x" is chosen, focused or pressed by the key x.
(() => {
  "use strict";
  const KEYS_OFF = "watchloop keys off";
  const notice = () => document.getElementById("notice");
  const keysOff = () => localStorage.getItem(KEYS_OFF) === "yes";

  function say(text, problem) {
    const line = notice();
    if (!line) return;
    line.textContent = text;
    line.classList.toggle("problem", Boolean(problem));
  }

  // For screen readers only: everybody else sees which answer is chosen.
  function whisper(text) {
    document.getElementById("said").textContent = text;
  }

  // Typing, and keys that the focused element handles itself, are ignored here.
  function isTaken(target, key) {
    if (target.isContentEditable) return true;
    if (target.matches("input:not([type=radio]):not([type=checkbox]), textarea, select")) return true;
    if (key === " " && target.matches("input[type=radio]")) return true;
    const presses = key === "Enter" || key === " ";
    return presses && target.matches("a[href], button, summary, input[type=checkbox]");
  }

  function act(element) {
    if (element.matches("input[type=radio]")) {
      element.checked = true;
      whisper(`${element.closest("label").querySelector(".choice-name").firstChild.textContent.trim()} chosen`);
    } else if (element.matches("input")) {
      element.focus();
    } else if (!element.disabled) {
      element.click();
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape" && event.target.id === "comment") {
      document.getElementById("task-title").focus();
      return;
    }
    if (document.querySelector("dialog[open]") || isTaken(event.target, event.key)) return;
    if (keysOff() && event.key !== "?") return;
    const element = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!element || event.repeat) return;
    event.preventDefault();
    act(element);
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).showModal();
  });

  document.addEventListener("change", (event) => {
    if (event.target.id === "keys-on") localStorage.setItem(KEYS_OFF, event.target.checked ? "no" : "yes");
  });

  document.addEventListener("htmx:afterSwap", () => notice()?.classList.remove("problem"));
  document.addEventListener("htmx:responseError", (event) => {
    const { status, responseText } = event.detail.xhr;
    say(responseText.length < 500 ? responseText : `The console answered with the error ${status}.`, true);
  });
  document.addEventListener("invalid", (event) => {
    if (event.target.matches("input[type=radio]")) say("Choose an answer first.", true);
  }, true);
  document.addEventListener("htmx:sendError", () => say("The console does not answer. Is the program running?", true));

  const box = document.getElementById("keys-on");
  if (box) box.checked = !keysOff();
})();
