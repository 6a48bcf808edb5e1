// mailtetherConnect opens a connect flow in a popup and resolves with its result.
// Call it from a click: mailtetherConnect("/connect/gmail").then(show, complain)
function mailtetherConnect(url, options) {
  "use strict";
  const { origin, signal, grace = 180000, width = 520, height = 700 } = options || {};
  const start = new URL(url, window.location.href);
  const from = origin || start.origin;
  const plain = start.href;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const id = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  start.searchParams.set("connect_popup", window.location.origin);
  start.searchParams.set("connect_popup_id", id);

  const left = window.screenX + Math.max(0, (window.outerWidth - width) / 2);
  const top = window.screenY + Math.max(0, (window.outerHeight - height) / 2);
  const popup = window.open(start.href, "_blank", `popup,width=${width},height=${height},left=${left},top=${top}`);
  if (!popup) {
    window.location.assign(plain); // blocked: the same flow without a popup
    return new Promise(() => {});
  }

  return new Promise((resolve, reject) => {
    let closedAt = 0;
    const channel = "BroadcastChannel" in window ? new BroadcastChannel("mailtether:" + id) : null;
    const settle = (finish, value) => {
      window.removeEventListener("message", fromWindow);
      window.clearInterval(timer);
      if (channel) {
        channel.close();
      }
      if (signal) {
        signal.removeEventListener("abort", abort);
      }
      popup.close(); // it closes itself too, in case it was cut off from here
      finish(value);
    };
    const take = (data) => {
      if (!data || data.source !== "mailtether" || data.flow !== id) {
        return;
      }
      if (typeof data.connected === "string") {
        settle(resolve, { connected: data.connected });
      } else if (typeof data.connect_error === "string") {
        settle(resolve, { connect_error: data.connect_error });
      }
    };
    const fromWindow = (event) => {
      if (event.origin === from && event.source === popup) {
        take(event.data);
      }
    };
    const fail = (name, text) => {
      const error = new Error(text);
      error.name = name;
      settle(reject, error);
    };
    const abort = () => {
      fail("AbortError", "the connect was aborted");
    };
    // A popup on a page with a Cross-Origin-Opener-Policy reads as closed while
    // it is open, so "closed" is believed only after a while.
    const watch = () => {
      if (!popup.closed) {
        closedAt = 0;
      } else if (!closedAt) {
        closedAt = Date.now();
      } else if (Date.now() - closedAt >= grace) {
        fail("ClosedError", "the popup was closed");
      }
    };
    const timer = window.setInterval(watch, 500);
    window.addEventListener("message", fromWindow);
    if (channel) {
      channel.onmessage = (event) => take(event.data);
    }
    if (signal) {
      signal.addEventListener("abort", abort);
      if (signal.aborted) {
        abort();
      }
    }
  });
}
